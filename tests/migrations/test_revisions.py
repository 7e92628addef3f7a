"""Revisions: one line of them, each with a way back that leaves nothing, with data in every table."""

import subprocess
import sys
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.roles import Logins
from assistant.db.setup import Server, connect
from assistant.resources import resource_dir
from tests.migrations.conftest import NewDatabase
from tests.migrations.schema import describe
from tests.rls.world import build

EMPTY_TABLES = {"procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers", "fresh_vectors"}
"""Tables that fill when jobs are worked on."""


@pytest.fixture(scope="module")
def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(resource_dir("migrations")))
    return ScriptDirectory.from_config(config)


def schema_of(url: str) -> set[str]:
    """Without who may use the schema `public`: on Supabase others have said so before us, and it stays said."""
    with connect(url) as connection:
        return {line for line in describe(connection) if not line.startswith("schema: public")}


def test_there_is_one_line_of_them_and_files_are_named_after_it(scripts: ScriptDirectory) -> None:
    assert scripts.get_heads() == [migrate.head()]
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    assert line == migrate.revisions()


def test_each_one_up_down_and_up_again(new_database: NewDatabase) -> None:
    url = new_database()
    before = schema_of(url)
    for revision in migrate.revisions():
        migrate.upgrade(url, revision)
        there = schema_of(url)
        migrate.downgrade(url, "-1")
        assert schema_of(url) == before, f"{revision} leaves something behind"
        migrate.upgrade(url, revision)
        assert schema_of(url) == there, f"{revision} is not the same the second time"
        before = there


def test_all_the_way_down_and_up_with_data_in_every_table(server: Server, new_database: NewDatabase) -> None:
    url = new_database()
    nothing = schema_of(url)
    migrate.upgrade(url)
    there = schema_of(url)
    build(server_at(server, url))
    fill_the_rest(url)
    with connect(url) as connection:
        assert empty_tables(connection) <= EMPTY_TABLES
    migrate.downgrade(url, "base")
    assert schema_of(url) == nothing
    migrate.upgrade(url)
    assert schema_of(url) == there


def test_a_later_revision_keeps_what_is_there(server: Server, new_database: NewDatabase) -> None:
    """Down from the newest to the one before and up again: rows of other tables stay as they are."""
    url = new_database()
    migrate.upgrade(url)
    build(server_at(server, url))
    query: LiteralString = "select md5(string_agg(t::text, '|' order by t.id)) from {} t"
    kept = ("users", "goals", "spaces", "modules", "tasks", "module_progress", "space_collaborators", "chat_messages")
    with connect(url) as connection:
        before = [connection.execute(query.format(table)).fetchone() for table in kept]
    migrate.downgrade(url, "-1")
    migrate.upgrade(url)
    with connect(url) as connection:
        assert [connection.execute(query.format(table)).fetchone() for table in kept] == before


def test_models_and_database_agree(new_database: NewDatabase) -> None:
    url = new_database()
    migrate.upgrade(url)
    migrate.check(url)


def test_two_that_upgrade_at_once_take_turns(new_database: NewDatabase) -> None:
    url = new_database()
    code = "import sys; from assistant.db import migrate; migrate.upgrade(sys.argv[1])"
    processes = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    with connect(url) as connection:
        assert migrate.current(connection) == migrate.head()


def test_the_definer_role_may_make_nothing_afterwards(new_database: NewDatabase) -> None:
    url = new_database()
    migrate.upgrade(url)
    with connect(url) as connection:
        row = connection.execute("""
            select array_agg(nspname) from pg_namespace where has_schema_privilege('goalspace_definer', oid, 'create')
        """).fetchone()
    assert row == (None,)


SUPABASE: LiteralString = """
    create schema auth;
    create table auth.users (id uuid primary key, email varchar(255), encrypted_password text, raw_app_meta_data jsonb);
    create function auth.uid() returns uuid language sql stable as
        $$ select nullif(current_setting('request.jwt.claims', true)::json ->> 'sub', '')::uuid $$;
    grant usage on schema auth to anon, authenticated, service_role;
    insert into auth.users (id, email) values ('7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11', 'ada@example.org');
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""


def test_on_supabase_nothing_of_auth_is_touched(new_database: NewDatabase) -> None:
    url = new_database()

    def auth_schema() -> set[str]:
        return {line for line in schema_of(url) if ": auth" in line or "FUNCTION auth." in line}

    with connect(url) as connection:
        connection.execute(SUPABASE)
        before = auth_schema()
        migrate.upgrade(url)
        assert auth_schema() == before
        connection.execute("insert into users (id, email) select id, email from auth.users")
        open_tables = connection.execute("""
            select c.relname, p.privilege from pg_class c join pg_namespace n on n.oid = c.relnamespace
            cross join (values ('TRUNCATE'), ('TRIGGER'), ('REFERENCES')) p(privilege)
            where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p', 'm')
              and has_table_privilege('authenticated', c.oid, p.privilege)""").fetchall()
        assert open_tables == []
        migrate.downgrade(url, "base")
        assert auth_schema() == before
        assert connection.execute("select count(*) from auth.users").fetchone() == (1,)


def test_without_uuid_ossp_there_is_a_function_of_its_name(new_database: NewDatabase) -> None:
    url = new_database()
    migrate.upgrade(url)
    with connect(url) as connection:
        row = connection.execute("select uuid_generate_v4() <> uuid_generate_v4()").fetchone()
        assert row == (True,)


def server_at(server: Server, url: str) -> Server:
    name = make_url(url).database

    def at(address: str) -> str:
        return make_url(address).set(database=name).render_as_string(hide_password=False)

    return replace(server, url=url, logins=Logins(at(server.logins.login_url), at(server.logins.jobs_url)))


def fill_the_rest(url: str) -> None:
    """A row in each table that the world of the policies has none in."""
    with connect(url) as connection:
        connection.execute("""
            insert into assistant.local_accounts (user_id, password_hash) select id, 'x' from users limit 1;
            insert into assistant.rate_limits (bucket, full_at) values (sha256('x'), now());
            insert into assistant.stored_answers (user_id, request, body_hash, status, answer)
                select id, sha256('r'), sha256('b'), 201, '{}' from users limit 1;
            insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until)
                select user_id, id, 't', id::text, gen_random_uuid(), now() from spaces;
            insert into assistant.run_events (run_id, seq, event) select id, 1, '{}' from assistant.runs;
            insert into assistant.run_steps (run_id, n, role, blocks) select id, 0, 'user', '[]' from assistant.runs;
            insert into assistant.message_keys (user_id, client_message_id, run_id, message_hash)
                select user_id, id::text, id, 'x' from assistant.runs;
            insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, quote,
                start_offset, end_offset)
                select gen_random_uuid(), 1, id, user_id, id, id, 't', 'q', 0, 1 from assistant.runs;
            insert into assistant.invitations (space_id, email, role, invited_by, secret_hash)
                select id, 'new@example.org', 'viewer', user_id, sha256(id::text::bytea) from spaces;
            insert into assistant.run_listeners (run_id, process, until) select id, process, now() from assistant.runs;
            insert into assistant.upkeep (step, seconds) values ('space_summaries', 1);
            insert into assistant.billing_events (id) values ('evt_1');
            update modules set space_id = space_id;
            insert into assistant.postings (space_id, lexeme, chunk_id, tf, length)
                select space_id, 'text', id, 1, 1 from document_embeddings;
        """)


def empty_tables(connection: psycopg.Connection[Any]) -> set[str]:
    tables = connection.execute("""
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant', 'jobs') and c.relkind in ('r', 'p')""").fetchall()
    return {
        str(name)
        for schema, name in tables
        if connection.execute(f"select from {schema}.{name} limit 1").fetchone() is None
    }
