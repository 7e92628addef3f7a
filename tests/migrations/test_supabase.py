"""A database that looks like one of Supabase's: other owners, places and defaults. Nothing of `auth` is touched."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.backup import backup
from assistant.db.embedded import EmbeddedServer, open_embedded
from assistant.db.setup import Server, connect, open_server
from tests.fixtures.database import make_settings
from tests.fixtures.databases import at
from tests.rls.cases import CASES, wrong_cells
from tests.rls.lints import LINTS
from tests.rls.world import build, open_connections

CLUSTER: LiteralString = """
    create role anon nologin noinherit;
    create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit password 'x';
    grant anon, authenticated, service_role to authenticator;
    create role supabase_auth_admin login noinherit createrole password 'x';
    create role keeper login createrole createdb bypassrls password 'secret';
    grant anon, authenticated, service_role to keeper with admin option;
"""
"""`keeper` is the role that is called postgres there: no superuser."""

DATABASE: LiteralString = """
    create schema extensions;
    grant usage on schema extensions to anon, authenticated, service_role, keeper;
    create extension vector schema extensions;
    create function extensions.uuid_generate_v4() returns uuid language sql volatile as 'select gen_random_uuid()';
    alter database postgres_there set search_path = "$user", public, extensions;
    grant create on schema public to keeper;

    create schema auth authorization supabase_auth_admin;
    grant usage on schema auth to anon, authenticated, service_role, keeper;
    set role supabase_auth_admin;
    create table auth.users (
        instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255),
        encrypted_password varchar(255), raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean,
        created_at timestamptz, updated_at timestamptz, is_anonymous boolean not null default false);
    create unique index users_email_partial_key on auth.users (email);
    create table auth.sessions (id uuid primary key, user_id uuid not null references auth.users on delete cascade);
    alter table auth.users enable row level security;
    create function auth.uid() returns uuid language sql stable as $$
        select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
            (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
    create function auth.role() returns text language sql stable as $$
        select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
            (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'))::text $$;
    create function auth.note_change() returns trigger language plpgsql as
        'begin new.updated_at := now(); return new; end';
    create trigger note_change before update on auth.users for each row execute function auth.note_change();
    grant all on auth.users to keeper;
    grant select, insert, delete on auth.users to service_role;
    insert into auth.users (id, email) values ('7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11', 'old@example.org');
    reset role;

    set role keeper;
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
    reset role;
"""

FINGERPRINT: tuple[LiteralString, ...] = (
    "select nspowner::regrole::text, nspacl::text from pg_namespace where nspname in ('auth', 'extensions')",
    """select c.oid::regclass::text, c.relkind::text, c.relowner::regrole::text, c.relacl::text, c.relrowsecurity,
           c.relforcerowsecurity from pg_class c where c.relnamespace = 'auth'::regnamespace order by 1""",
    """select a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attacl::text
       from pg_attribute a join pg_class c on c.oid = a.attrelid
       where c.relnamespace = 'auth'::regnamespace and a.attnum > 0 order by 1, 2""",
    """select pg_get_functiondef(oid), proowner::regrole::text, proacl::text from pg_proc
       where pronamespace in ('auth'::regnamespace) order by 1""",
    """select pg_get_triggerdef(t.oid), t.tgenabled::text from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace = 'auth'::regnamespace and not t.tgisinternal order by 1""",
    """select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
       where connamespace = 'auth'::regnamespace order by 1, 2""",
    "select polname from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = 'auth'::regnamespace",
    "select to_jsonb(u) from auth.users u where email = 'old@example.org'",
    "select extname, extowner::regrole::text, extnamespace::regnamespace::text from pg_extension order by 1",
    """select rolname, rolsuper, rolinherit, rolcreaterole, rolcanlogin, rolbypassrls from pg_roles
       where rolname in ('anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin') order by 1""",
)


def fingerprint(cluster: EmbeddedServer) -> list[list[Any]]:
    with connect(at(cluster.url, "postgres_there")) as connection:
        return [list(connection.execute(query)) for query in FINGERPRINT]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    opened = open_embedded(tmp_path_factory.mktemp("supabase"))
    with connect(opened.url) as connection:
        connection.execute(CLUSTER)
        connection.execute("create database postgres_there owner keeper")
    with connect(at(opened.url, "postgres_there")) as connection:
        connection.execute(DATABASE)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def before(cluster: EmbeddedServer) -> list[list[Any]]:
    return fingerprint(cluster)


@pytest.fixture(scope="module")
def owner(cluster: EmbeddedServer, before: object) -> str:
    url = make_url(at(cluster.url, "postgres_there")).set(username="keeper", password="secret")
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
async def server(owner: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Migrated by the owner, who is no superuser."""
    settings = make_settings(tmp_path_factory.mktemp("data"), DATABASE_URL=owner)
    async with await open_server(settings, upgrade=True) as opened:
        yield opened


def test_nothing_of_auth_is_touched_on_the_way_up(
    server: Server, cluster: EmbeddedServer, before: list[list[Any]]
) -> None:
    assert fingerprint(cluster) == before


def test_functions_and_types_are_found_where_they_lie(server: Server, cluster: EmbeddedServer) -> None:
    with connect(at(cluster.url, "postgres_there")) as connection:
        row = connection.execute("select to_regprocedure('public.uuid_generate_v4()')").fetchone()
    assert row == (None,)


def test_the_rules_of_the_schema_hold(server: Server, cluster: EmbeddedServer) -> None:
    """Also against privileges that everything new is given there."""
    with connect(at(cluster.url, "postgres_there")) as connection:
        connection.execute("set search_path = public, extensions")
        broken = {lint.rule: found for lint in LINTS if (found := list(connection.execute(lint.query)))}
    assert broken == {}


def test_what_comes_later_is_closed_to_clients(server: Server, owner: str) -> None:
    """Whatever the defaults were before us."""
    with connect(owner) as connection, connection.transaction(force_rollback=True):
        for schema in ("public", "assistant", "private", "partitions", "jobs"):
            connection.execute(
                f"""
                create table {schema}.later (id serial primary key);
                create function {schema}.later() returns integer language sql as 'select 1';
            """.encode()
            )
        rows = connection.execute("""
            select r.rolname, c.oid::regclass::text from pg_class c cross join pg_roles r
            where r.rolname in ('anon', 'authenticated') and c.relname in ('later', 'later_id_seq')
              and case c.relkind when 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
                  else has_table_privilege(r.oid, c.oid,
                           'select, insert, update, delete, truncate, references, trigger') end
            union all
            select r.rolname, p.oid::regprocedure::text from pg_proc p cross join pg_roles r
            where r.rolname in ('anon', 'authenticated') and p.proname = 'later'
              and has_function_privilege(r.oid, p.oid, 'execute')
        """).fetchall()
    assert rows == []


def test_the_table_of_who_may_do_what_holds(server: Server) -> None:
    world = build(server)
    with open_connections(world) as connections:
        wrong = {wanted.name: wrong_cells(wanted, world, connections) for wanted in CASES}
    assert {name: cells for name, cells in wrong.items() if cells} == {}


async def test_the_service_works(server: Server, owner: str) -> None:
    async with server.open() as database, database.service("maintain") as connection:
        await connection.exec_driver_sql("select assistant.ensure_partitions(6)")
        await connection.exec_driver_sql("select assistant.refresh_space_summaries()")
    migrate.check(owner)


def test_a_backup_leaves_auth_to_its_owner(server: Server, owner: str, tmp_path: Path) -> None:
    manifest = backup(owner, tmp_path / "a.backup")
    assert manifest.lacks_auth
    assert manifest.extensions == {"vector": "extensions"}
    assert not [table for table in manifest.tables if table.startswith("auth.")]


def test_nothing_of_auth_is_touched_on_the_way_down(
    server: Server, owner: str, cluster: EmbeddedServer, before: list[list[Any]]
) -> None:
    """The last test here: nothing of ours is left."""
    migrate.downgrade(owner, "base")
    assert fingerprint(cluster) == before
    with psycopg.connect(at(cluster.url, "postgres_there").replace("+psycopg", "")) as connection:
        left = connection.execute("""
            select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('public', 'assistant', 'private', 'partitions', 'jobs')
            union all select nspname, '' from pg_namespace
            where nspname in ('assistant', 'private', 'partitions', 'jobs')
            union all select 'public', proname from pg_proc where pronamespace = 'public'::regnamespace""").fetchall()
    assert left == []
