"""Backup, restore, import and report, as people call them."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from assistant.db.setup import Server, connect
from tests.cli.conftest import Goalspace, one_line

EXAMPLE = Path(__file__).parents[2] / "examples" / "import"


@pytest.fixture(scope="module")
def databases(server: Server) -> Iterator[list[str]]:
    """Addresses of three empty ones: the old service's, ours, and one to restore into."""
    names = [f"files_{uuid4().hex[:12]}" for _ in range(3)]
    with connect(server.url) as connection:
        for name in names:
            connection.execute(f"create database {name}".encode())
    addresses = [make_url(server.url).set(database=name).render_as_string(hide_password=False) for name in names]
    with connect(addresses[0]) as connection:
        connection.execute((EXAMPLE / "older_schema.sql").read_bytes())
        connection.execute((EXAMPLE / "older_rows.sql").read_bytes())
    yield addresses
    with connect(server.url) as connection:
        for name in names:
            connection.execute(f"drop database {name} with (force)".encode())


def test_from_an_old_service_to_a_restored_copy(goalspace: Goalspace, databases: list[str], tmp_path: Path) -> None:
    old, ours, copy = databases
    env = {"DATABASE_URL": ours}
    assert goalspace("db", "upgrade", env=env).exit_code == 0

    call = ("db", "import", "--from", old, "--map", str(EXAMPLE / "mapping.toml"), "--backup")
    rehearsal = goalspace(*call, str(tmp_path / "1.backup"), "--dry-run", "--json", env=env)
    assert rehearsal.exit_code == 0, rehearsal.stderr
    assert json.loads(rehearsal.stdout)["kept"] is False
    done = goalspace(*call, str(tmp_path / "2.backup"), env=env)
    assert done.exit_code == 0, done.stderr
    assert "Everything was imported." in done.stdout
    again = goalspace(*call, str(tmp_path / "3.backup"), env=env)
    assert again.exit_code == 1
    assert "goals holds 3 rows already" in again.stderr
    assert "Traceback" not in again.stderr

    told = goalspace("db", "report", env=env)
    assert told.exit_code == 0, told.stderr
    for part in (
        "tables by size",
        "rows in default partitions",
        "indexes that no query",
        "plans of busy queries",
    ):
        assert part in told.stdout
    figures = json.loads(goalspace("db", "report", "--json", env=env).stdout)
    sizes = {row["table"]: row for row in figures["tables by size"]}
    assert sizes["public.chat_messages"]["rows, about"] == 5
    assert figures["rows in default partitions"] == []
    assert "tasks" in figures["plans of busy queries"][2]["plan"]

    file = tmp_path / "all.backup"
    backed_up = goalspace("db", "backup", str(file), env=env)
    assert backed_up.exit_code == 0, backed_up.stderr
    assert f"to {file}" in backed_up.stdout
    assert "is there already" in one_line(goalspace("db", "backup", str(file), env=env))
    restored = goalspace("db", "restore", str(file), env={"DATABASE_URL": copy})
    assert restored.exit_code == 0, restored.stderr
    assert "Restored" in restored.stdout
    assert goalspace("db", "check", env={"DATABASE_URL": copy}).exit_code == 0
    full = goalspace("db", "restore", str(file), env={"DATABASE_URL": copy})
    assert (full.exit_code, "The database is not empty" in one_line(full)) == (1, True)


def test_what_is_no_backup_and_no_mapping(goalspace: Goalspace, databases: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("[nothing]")
    env = {"DATABASE_URL": databases[1]}
    assert "is no backup, or it is damaged" in one_line(goalspace("db", "restore", str(file), env=env))
    assert goalspace("db", "restore", str(tmp_path / "none"), env=env).exit_code == 2
    assert "there is no table nothing to fill" in one_line(
        goalspace("db", "import", "--from", "x", "--map", str(file), env=env)
    )
    unreachable = goalspace("db", "report", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert (unreachable.exit_code, "cannot be reached" in one_line(unreachable)) == (2, True)
