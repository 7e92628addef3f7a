"""The schema of a database from the command line: up, down, and what is wrong with it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.setup import Server, connect
from tests.cli.conftest import Goalspace, one_line


@pytest.fixture
def empty(server: Server) -> Iterator[dict[str, str]]:
    """The environment for a database of its own, with nothing in it."""
    name = f"cli_{uuid4().hex[:12]}"
    with connect(server.url) as connection:
        connection.execute(f"create database {name}")
    yield {"DATABASE_URL": make_url(server.url).set(database=name).render_as_string(hide_password=False)}
    with connect(server.url) as connection:
        connection.execute(f"drop database {name} with (force)")


def test_up_down_and_where_it_stands(goalspace: Goalspace, empty: dict[str, str]) -> None:
    def says(*arguments: str) -> str:
        result = goalspace("db", *arguments, env=empty)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.strip()

    assert says("current") == "none"
    for _ in range(2):
        assert says("upgrade") == f"The database is at revision {migrate.head()}."
    assert says("current") == migrate.head()
    assert "as this version makes it" in says("check")
    assert says("downgrade", "20261124_02") == "The database is at revision 20261124_02."
    assert says("current") == "20261124_02"
    assert says("downgrade", "base") == "The database is at revision base."
    assert says("upgrade") == f"The database is at revision {migrate.head()}."


def test_an_old_schema_is_said_by_every_command(goalspace: Goalspace, empty: dict[str, str]) -> None:
    for arguments, code in ((("db", "check"), 1), (("token", "ada@example.org"), 2)):
        result = goalspace(*arguments, env=empty)
        assert result.exit_code == code
        assert f"The database is at revision none, this version needs {migrate.head()}" in one_line(result)


def test_a_schema_that_somebody_changed_is_told(goalspace: Goalspace, empty: dict[str, str]) -> None:
    goalspace("db", "upgrade", env=empty)
    with connect(empty["DATABASE_URL"]) as connection:
        connection.execute("""
            alter table tasks drop column priority cascade;
            create table public.extra (id integer primary key);
            drop policy goals_update_policy on goals;
            grant truncate on goals to authenticated;
            alter function private.uid() volatile;
            alter table goals disable trigger touch_updated_at;
            alter table modules set (autovacuum_enabled = off);
            alter table partitions.chat_messages_default no force row level security;
            alter default privileges in schema public grant select on tables to anon;
        """)
    result = goalspace("db", "check", env=empty)
    assert result.exit_code == 1
    told = result.stdout.splitlines()
    assert one_line(result) == f"The database differs from this version's in {len(told)} places."
    assert set(told) == {
        "add_column tasks priority, as the models say",
        "remove_table extra, as the models say",
        "column public.tasks.priority is missing",
        "constraint tasks_priority_check on public.tasks is missing",
        "default privileges for tables in public is no part of this version",
        "function private.uid() is different",
        "index public.extra_pkey is no part of this version",
        "policy goals_update_policy on public.goals is missing",
        "table public.extra is no part of this version",
        "table public.goals is different",
        "table public.modules is different",
        "security of partitions is different",
        "table partitions.chat_messages_default is different",
        "trigger touch_updated_at on public.goals is different",
    }
    with connect(empty["DATABASE_URL"]) as connection:
        left = connection.execute("select datname from pg_database where datname like 'goalspace_check%'").fetchall()
    assert left == []


def test_a_newer_schema_is_left_alone(goalspace: Goalspace, empty: dict[str, str]) -> None:
    goalspace("db", "upgrade", env=empty)
    with connect(empty["DATABASE_URL"]) as connection:
        connection.execute("update migrations.alembic_version set version_num = '29990101_01'")
    for arguments in (("upgrade",), ("check",)):
        result = goalspace("db", *arguments, env=empty)
        assert result.exit_code in (1, 2)
        assert "29990101_01" in one_line(result)


def test_nothing_is_asked_without_a_terminal(goalspace: Goalspace, empty: dict[str, str]) -> None:
    goalspace("db", "upgrade", env=empty)
    result = goalspace("db", "downgrade", "base", env=empty, stdin="")
    assert result.exit_code == 0
