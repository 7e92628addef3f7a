"""What must hold for every table, function and policy, also for those that come later."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from assistant.db.setup import Server, connect

OURS: LiteralString = "('public', 'assistant', 'private', 'partitions')"

OWNERS_WORK = {"assistant.ensure_partitions(integer)", "assistant.refresh_space_summaries()"}
"""What only the owner of a table can do. They take no text that becomes a name, and only the service may call them."""

NEVER_UPDATED = {
    "id", "user_id", "space_id", "goal_id", "author_id", "document_id", "resource_id", "resource_type", "parent_id",
    "accepted_at", "published_at", "created_at", "updated_at", "email", "created_by", "is_from_user", "tokens_used",
    "tier",
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    with connect(server.url) as opened:
        yield opened


def found(connection: psycopg.Connection[Any], query: LiteralString) -> list[str]:
    return [" ".join(str(part) for part in row) for row in connection.execute(query)]


def test_every_table_and_partition_has_row_level_security_forced(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in {OURS} and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)"""
    assert not found(connection, query)


def test_every_table_that_clients_may_touch_has_a_policy_for_it(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select n.nspname, c.relname, r.rolname, p.privilege
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) p(privilege, command)
        cross join (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated')) r
        where n.nspname in {OURS} and c.relkind in ('r', 'p')
          and (has_table_privilege(r.oid, c.oid, p.privilege)
               or p.privilege <> 'DELETE' and has_any_column_privilege(r.oid, c.oid, p.privilege))
          and not exists (select from pg_policy o where o.polrelid = c.oid and o.polcmd in (p.command, '*')
                          and r.oid = any (o.polroles))"""
    assert not found(connection, query)


def test_policies_name_their_roles_and_there_is_one_for_each_command(connection: psycopg.Connection[Any]) -> None:
    nameless: LiteralString = (
        "select polrelid::regclass, polname from pg_policy where 0 = any (polroles) or polcmd = '*'"
    )
    twice: LiteralString = """
        select polrelid::regclass, polcmd, role from pg_policy cross join unnest(polroles) role
        where polpermissive group by 1, 2, 3 having count(*) > 1"""
    assert not found(connection, nameless)
    assert not found(connection, twice)


def test_policies_ask_for_the_caller_once_and_for_sets_as_arrays(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute("""
        select polrelid::regclass::text || ' ' || polname, coalesce(pg_get_expr(polqual, polrelid), '') || ' '
            || coalesce(pg_get_expr(polwithcheck, polrelid), '') from pg_policy""").fetchall()
    assert rows
    bare = [name for name, text in rows if text.count("auth.uid()") != text.count("( SELECT auth.uid() AS uid)")]
    always = [name for name, text in rows if text.strip() in ("true", "true true")]
    assert (bare, always) == ([], [])


def test_functions_fix_their_search_path(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {OURS} and p.prolang <> (select oid from pg_language where lanname = 'c')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
          and p.proname <> 'uuid_generate_v4'
          and not coalesce('search_path=""' = any (p.proconfig), false)"""
    assert not found(connection, query)


def test_definer_functions_belong_to_the_role_that_has_only_what_they_need(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {OURS} and p.prosecdef and p.proowner <> 'goalspace_definer'::regrole"""
    assert set(found(connection, query)) == OWNERS_WORK
    callers: LiteralString = """
        select p.oid::regprocedure, r.rolname from pg_proc p
        cross join (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated')) r
        where p.proname in ('ensure_partitions', 'refresh_space_summaries')
          and has_function_privilege(r.oid, p.oid, 'EXECUTE')"""
    assert not found(connection, callers)


def test_the_definer_bypasses_policies_and_can_do_nothing_else(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("""
        select rolbypassrls, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolinherit
        from pg_roles where rolname = 'goalspace_definer'""").fetchone()
    assert row == (True, False, False, False, False, False)
    owned: LiteralString = "select oid::regclass from pg_class where relowner = 'goalspace_definer'::regrole"
    assert not found(connection, owned)


def test_no_function_of_ours_is_for_everybody(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in {OURS} and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                                              where a.grantee = 0 and a.privilege_type = 'EXECUTE')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
          and p.proname <> 'uuid_generate_v4'"""
    assert not found(connection, query)


def test_functions_that_clients_call_take_no_user(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = f"""
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        cross join (values ('anon'), ('authenticated')) r(name)
        where n.nspname in {OURS} and has_function_privilege(r.name, p.oid, 'EXECUTE')
          and exists (select from unnest(p.proargnames) a where a ~ 'user|member|owner')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
    assert not found(connection, query)


def test_clients_can_not_truncate_reference_or_trigger(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = """
        select c.oid::regclass, r.rolname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (select oid, rolname from pg_roles where rolname in ('anon', 'authenticated', 'goalspace_login')) r
        where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p', 'm', 'v')
          and has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')"""
    assert not found(connection, query)


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


def test_foreign_keys_are_indexed(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = """
        select k.conrelid::regclass, k.conname from pg_constraint k join pg_namespace n on n.oid = k.connamespace
        where k.contype = 'f' and n.nspname in ('public', 'assistant') and k.conparentid = 0
          and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
                          and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
          and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indpred is null
                          and i.indkey[0] = k.conkey[1])"""
    assert not found(connection, query)


def test_what_says_updated_at_keeps_it(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = """
        select c.oid::regclass from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p') and a.attname = 'updated_at'
          and not exists (select from pg_trigger t where t.tgrelid = c.oid
                          and t.tgfoid = 'private.touch_updated_at()'::regprocedure)"""
    assert not found(connection, query)


def test_timestamps_know_their_zone_and_creation_is_never_null(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = """
        select c.oid::regclass, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p') and a.attnum > 0
          and (a.atttypid = 'timestamp'::regtype or a.attname in ('created_at', 'updated_at') and not a.attnotnull)"""
    assert not found(connection, query)


def test_partitions_are_out_of_reach(connection: psycopg.Connection[Any]) -> None:
    query: LiteralString = """
        select c.oid::regclass, r.name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join (values ('anon'), ('authenticated'), ('goalspace_login')) r(name)
        where n.nspname = 'partitions' and has_table_privilege(r.name, c.oid, 'SELECT, INSERT, UPDATE, DELETE')"""
    assert not found(connection, query)
    usage: LiteralString = """
        select r.name from (values ('anon'), ('authenticated'), ('service_role')) r(name)
        where has_schema_privilege(r.name, 'partitions', 'USAGE')"""
    assert not found(connection, usage)


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
