"""Revisions: one line of them, each with a way back that leaves nothing, with data in every table."""

import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from assistant.db import migrate
from assistant.db.catalogue import describe
from assistant.db.setup import Server, connect
from assistant.resources import resource_dir
from tests.fixtures.databases import NewDatabase, server_at
from tests.migrations.rows import empty_tables, fill
from tests.rls.world import build


@pytest.fixture(scope="module")
def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(resource_dir("migrations")))
    return ScriptDirectory.from_config(config)


def schema_of(url: str) -> dict[str, str]:
    with connect(url) as connection:
        return describe(connection)


def test_there_is_one_line_of_them_and_files_are_named_after_it(scripts: ScriptDirectory) -> None:
    assert scripts.get_heads() == [migrate.head()]
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    assert line == migrate.revisions()


def test_all_the_way_down_and_up_with_data_in_every_table(server: Server, new_database: NewDatabase) -> None:
    url = new_database()
    nothing = schema_of(url)
    migrate.upgrade(url)
    there = schema_of(url)
    build(server_at(server, url))
    with connect(url) as connection:
        fill(connection)
        assert empty_tables(connection) == []
    migrate.downgrade(url, "base")
    assert schema_of(url) == nothing
    migrate.upgrade(url)
    assert schema_of(url) == there


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


def may_make_something(url: str) -> list[str]:
    with connect(url) as connection:
        row = connection.execute("""
            select coalesce(array_agg(nspname::text), '{}') from pg_namespace
            where has_schema_privilege('goalspace_definer', oid, 'create')
        """).fetchone()
    assert isinstance(row, tuple)
    return list(row[0])


def test_one_that_meets_a_lock_gives_way_and_tries_again(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    migrate.upgrade(url, "20261124_02")
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "50ms")
    pauses: list[float] = []
    with connect(url) as busy:
        busy.execute("begin")
        busy.execute("lock table public.users in row exclusive mode")
        monkeypatch.setattr("assistant.db.migrate.time.sleep", pauses.append)
        with pytest.raises(migrate.LockedError, match="A table is in use all the time"):
            migrate.upgrade(url)
        assert pauses == list(migrate.PAUSES)
        assert may_make_something(url) == []

        def release(_: float) -> None:
            busy.execute("rollback")

        monkeypatch.setattr("assistant.db.migrate.time.sleep", release)
        migrate.upgrade(url)
    with connect(url) as connection:
        assert migrate.current(connection) == migrate.head()


def test_the_definer_role_may_make_nothing_afterwards(new_database: NewDatabase) -> None:
    url = new_database()
    migrate.upgrade(url)
    assert may_make_something(url) == []


def test_without_uuid_ossp_there_is_a_function_of_its_name(new_database: NewDatabase) -> None:
    url = new_database()
    migrate.upgrade(url)
    with connect(url) as connection:
        row = connection.execute("select uuid_generate_v4() <> uuid_generate_v4()").fetchone()
        assert row == (True,)
