"""What must hold for every table, function and policy, also for those that come later."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from assistant.db.setup import Server, connect
from tests.rls.lints import LINTS, OURS, Lint

OWNERS_WORK = {
    "assistant.detach_months(text,integer,date)",
    "assistant.drop_detached_months(text,integer,date)",
    "assistant.ensure_partitions(integer,date)",
    "assistant.move_month(text,date)",
    "assistant.prepare_month(text,date)",
    "assistant.refresh_space_summaries()",
    "assistant.refresh_stale_summaries(interval)",
    "assistant.refresh_statistics(text)",
    "assistant.stray_months()",
}
"""What only the owner of a table can do. A text that they take is one of a closed list, and only the service may call
them."""

NEVER_UPDATED = {
    "id", "user_id", "space_id", "goal_id", "author_id", "document_id", "resource_id", "resource_type", "parent_id",
    "accepted_at", "created_at", "updated_at", "email", "created_by", "is_from_user", "tokens_used",
    "tier",
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    with connect(server.url) as opened:
        yield opened


def found(connection: psycopg.Connection[Any], query: LiteralString) -> list[str]:
    return [" ".join(str(part) for part in row) for row in connection.execute(query)]


@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.rule)
def test_nothing_breaks_the_rule(lint: Lint, connection: psycopg.Connection[Any]) -> None:
    assert not found(connection, lint.query)


@pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.rule)
def test_what_would_break_it_is_found(lint: Lint, connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(lint.fault)
        assert found(connection, lint.query)


def test_definer_functions_belong_to_the_role_that_has_only_what_they_need(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {OURS} and p.prosecdef and p.proowner <> 'goalspace_definer'::regrole"""
    assert set(found(connection, query)) == OWNERS_WORK
    callers: LiteralString = """
        select p.oid::regprocedure, r.rolname from pg_proc p
        cross join (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated')) r
        where p.prosecdef and p.proowner <> 'goalspace_definer'::regrole
          and has_function_privilege(r.oid, p.oid, 'EXECUTE')"""
    assert not found(connection, callers)


def test_the_definer_bypasses_policies_and_can_do_nothing_else(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("""
        select rolbypassrls, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolinherit
        from pg_roles where rolname = 'goalspace_definer'""").fetchone()
    assert row == (True, False, False, False, False, False)
    owned: LiteralString = "select oid::regclass from pg_class where relowner = 'goalspace_definer'::regrole"
    assert not found(connection, owned)


def test_a_table_made_tomorrow_is_closed_to_clients(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        for schema in ("public", "assistant", "partitions"):
            connection.execute(f"create table {schema}.tomorrow (id integer)")
            connection.execute(f"create function {schema}.tomorrow() returns int language sql as 'select 1'")
        query: LiteralString = """
            select n.nspname, r.name from pg_class c join pg_namespace n on n.oid = c.relnamespace
            cross join (values ('anon'), ('authenticated')) r(name)
            where c.relname = 'tomorrow'
              and has_table_privilege(r.name, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            union all
            select p.oid::regprocedure::text, r.name from pg_proc p
            cross join (values ('anon'), ('authenticated')) r(name)
            where p.proname = 'tomorrow' and has_function_privilege(r.name, p.oid, 'EXECUTE')"""
        assert not found(connection, query)


def test_clients_can_not_change_whose_a_row_is_or_when_it_was_made(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("""
        select c.oid::regclass::text, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
          and has_column_privilege('authenticated', c.oid, a.attnum, 'UPDATE')""").fetchall()
    assert rows
    assert not [row for row in rows if row[1] in NEVER_UPDATED]


def test_the_logins_have_nothing_of_their_own(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("""
        select rolname, rolinherit, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
            (select array_agg(g.rolname::text order by g.rolname)
             from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid)
        from pg_roles r where rolname in ('goalspace_login', 'goalspace_jobs') order by rolname""").fetchall()
    assert rows == [
        ("goalspace_jobs", False, False, False, False, False, ["service_role"]),
        ("goalspace_login", False, False, False, False, False, ["anon", "authenticated"]),
    ]
    owned: LiteralString = """
        select oid::regclass from pg_class where relowner in ('goalspace_login'::regrole, 'goalspace_jobs'::regrole)"""
    assert not found(connection, owned)


def test_a_login_that_has_become_nobody_reads_nothing(server: Server) -> None:
    for url in (server.logins.login_url, server.logins.jobs_url):
        with connect(url) as nobody:
            for table in ("users", "goals", "spaces", "tasks", "chat_messages"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    nobody.execute(f"select from {table}")
            for role in ("postgres", "goalspace_definer"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    nobody.execute(f"set role {role}")


@pytest.mark.parametrize(
    "claims", ["", "{}", "not json", '{"sub": 5}', '{"sub": ["a"]}', '{"sub": "no uuid"}', "[]", "null"]
)
def test_claims_without_a_person_are_nobody(claims: str, server: Server) -> None:
    with connect(server.logins.login_url) as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)", (claims,)
        )
        assert connection.execute("select auth.uid()").fetchone() == (None,)
        assert connection.execute("select from goals").fetchall() == []
        assert connection.execute("select from spaces where visibility <> 'public'").fetchall() == []
