"""The table catches what people get wrong: each fault, put into the schema, makes a cell differ."""

from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest

from assistant.db.setup import Server, connect
from tests.rls.cases import CASES, reached_unseen, wrong_cells
from tests.rls.world import ACTORS, World, build


class Fault(NamedTuple):
    what: str
    table: str
    """Whose cases must notice it."""
    sql: LiteralString


FAULTS = [
    Fault("no row-level security", "goals", "alter table goals disable row level security"),
    Fault("a policy for everybody", "tasks", "create policy wide on tasks for select using (true)"),
    Fault("a policy removed", "comments", "drop policy comments_select on comments"),
    Fault("the seed's policies copied to subscriptions", "subscriptions",
          "create policy own on subscriptions for insert to authenticated with check (user_id = auth.uid());"
          "grant insert on subscriptions to authenticated"),
    Fault("people delete their usage", "usage_logs",
          "create policy own on usage_logs for delete to authenticated using (user_id = auth.uid());"
          "grant delete on usage_logs to authenticated"),
    Fault("all columns of spaces", "spaces", "grant update on spaces to authenticated"),
    Fault("all columns of tasks", "tasks", "grant update on tasks to authenticated"),
    Fault("anybody may be invited as admin", "space_collaborators",
          "create policy wide on space_collaborators for insert to authenticated with check "
          "(space_id = any (array(select private.member_spaces('admin'))))"),
    Fault("invitees count as members", "modules",
          "create or replace function private.member_spaces(at_least text) returns setof uuid "
          "language sql stable security definer set search_path = '' as "
          "$$ select c.space_id from public.space_collaborators c where c.user_id = private.uid() $$"),
    Fault("guests of private spaces", "documents",
          "create or replace function private.member_spaces(at_least text) returns setof uuid "
          "language sql stable security definer set search_path = '' as "
          "$$ select c.space_id from public.space_collaborators c "
          "where c.user_id = private.uid() and c.accepted_at is not null $$"),
    Fault("admins publish", "spaces", "drop trigger guard_visibility on spaces"),
    Fault("plain foreign key to goals", "spaces", "alter table spaces drop constraint spaces_goal_of_same_user"),
    Fault("plain foreign key to modules", "tasks", "alter table tasks drop constraint tasks_module_of_same_space"),
    Fault("plain foreign key to comments", "comments",
          "alter table comments drop constraint comments_parent_on_same_resource"),
    Fault("the view is readable", "space_summaries", "grant select on space_summaries to authenticated"),
    Fault("partitions are readable", "usage_logs",
          "grant usage on schema partitions to authenticated;"
          "grant select on partitions.usage_logs_default to authenticated;"
          "alter table partitions.usage_logs_default disable row level security"),
    Fault("drafts are public", "blog_posts", "create policy wide on blog_posts for select to anon using (true)"),
    Fault("future posts are public", "blog_posts",
          "create policy wide on blog_posts for select to anon, authenticated using (published)"),
    Fault("owners read progress", "module_progress",
          "create policy wide on module_progress for select to authenticated using (true)"),
    Fault("chunks written by clients", "document_embeddings",
          "create policy wide on document_embeddings for update to authenticated using (true);"
          "grant update on document_embeddings to authenticated"),
    Fault("the mentor's part written by clients", "chat_messages",
          "drop policy chat_messages_insert on chat_messages; create policy chat_messages_insert on chat_messages "
          "for insert to authenticated with check (user_id = auth.uid())"),
    Fault("people change their address", "users", "grant update (email) on users to authenticated"),
]  # fmt: skip


WIDE = {
    "SELECT": "using (true)",
    "INSERT": "with check (true)",
    "UPDATE": "using (true) with check (true)",
    "DELETE": "using (true)",
}


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return build(server)


def caught(connection: psycopg.Connection[Any], fault: str, table: str, world: World) -> bool:
    """In one transaction that is rolled back, as a superuser that becomes each actor in turn."""
    cases = [wanted for wanted in CASES if wanted.table == table]
    with connection.transaction(force_rollback=True):
        connection.execute(fault.encode())
        connections = dict.fromkeys(ACTORS, connection)
        return any(wrong_cells(wanted, world, connections) for wanted in cases) or bool(
            reached_unseen(table, world, connections)
        )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_fault_shows_in_the_table(fault: Fault, world: World) -> None:
    with connect(world.server.url) as connection:
        assert caught(connection, fault.sql, fault.table, world)


def test_each_policy_that_goes_missing_or_lets_everybody_in_shows_in_the_table(world: World) -> None:
    with connect(world.server.url) as connection:
        policies: list[tuple[str, str, str]] = connection.execute(
            "select tablename, policyname, cmd from pg_policies where schemaname = 'public' order by 1, 2"
        ).fetchall()  # type: ignore[assignment]
        missed = [
            fault
            for table, policy, command in policies
            if table in {wanted.table for wanted in CASES}
            for fault in (
                f"drop policy {policy} on {table}",
                f"alter policy {policy} on {table} {WIDE[command]}",
            )
            if not caught(connection, fault, table, world)
        ]
    assert len(policies) > 40
    assert not missed
