"""Backups: what is put back is what was there, and a backup that is not whole changes nothing."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy.engine import make_url

from assistant.db import backup as backups
from assistant.db import migrate
from assistant.db.archive import DUMP, MANIFEST, SUMS, BackupError, Manifest, read_archive
from assistant.db.backup import backup
from assistant.db.catalogue import describe
from assistant.db.contents import TableContents, read_contents, stored_tables
from assistant.db.dump import ProgramError, find_program
from assistant.db.embedded import EmbeddedServer, open_embedded
from assistant.db.restore import restore
from assistant.db.setup import Server, connect, open_server
from assistant.errors import ConfigurationError
from assistant.settings import Settings
from tests.fixtures.database import make_settings
from tests.fixtures.databases import NewDatabase, at, server_at
from tests.migrations.rows import fill
from tests.rls.cases import CASES, wrong_cells
from tests.rls.world import World, build, open_connections

SCHEMAS = ("auth", "public", "assistant", "jobs", "migrations", "partitions")


@dataclass(frozen=True, slots=True)
class Original:
    """A database with something in every table, and a backup of it."""

    url: str
    world: World
    file: Path


@pytest.fixture(scope="module")
def original(server: Server, new_schema: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Original:
    url = new_schema()
    world = build(server_at(server, url))
    with connect(url) as connection:
        fill(connection)
    file = tmp_path_factory.mktemp("backup") / "all.backup"
    backup(url, file)
    return Original(url, world, file)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Another cluster, without any role of ours."""
    cluster = open_embedded(tmp_path_factory.mktemp("elsewhere"))
    yield cluster
    cluster.close()


def contents(url: str) -> dict[str, TableContents]:
    with connect(url) as connection, connection.transaction():
        return read_contents(connection, stored_tables(connection, SCHEMAS))


def schema(url: str) -> dict[str, str]:
    with connect(url) as connection:
        return describe(connection)


def is_empty(url: str) -> bool:
    with connect(url) as connection:
        found = connection.execute("select to_regclass('public.users'), to_regnamespace('assistant')").fetchone()
    return found == (None, None)


async def test_it_is_put_back_in_another_cluster_with_roles_rights_and_policies(
    original: Original, elsewhere: EmbeddedServer, tmp_path: Path
) -> None:
    restore(elsewhere.url, read_archive(original.file))
    assert contents(elsewhere.url) == contents(original.url)
    assert schema(elsewhere.url) == schema(original.url)
    settings = make_settings(tmp_path, DATABASE_URL=elsewhere.url)
    async with await open_server(settings, upgrade=True) as copy:
        world = replace(original.world, server=copy)
        with open_connections(world) as connections:
            wrong = {wanted.name: wrong_cells(wanted, world, connections) for wanted in CASES}
    assert {name: cells for name, cells in wrong.items() if cells} == {}


def test_an_owner_who_is_no_superuser_can_put_it_back(original: Original, elsewhere: EmbeddedServer) -> None:
    """In a cluster where others have given everybody everything by default, as on Supabase."""
    with connect(elsewhere.url) as connection:
        connection.execute("create role keeper login createrole createdb bypassrls password 'secret'")
        connection.execute("create database theirs owner keeper")
    with connect(at(elsewhere.url, "theirs")) as connection:
        connection.execute("create extension vector")
        connection.execute("grant anon, authenticated, service_role, goalspace_definer to keeper with admin option")
        connection.execute("grant goalspace_login, goalspace_jobs to keeper with admin option")
    url = make_url(at(elsewhere.url, "theirs")).set(username="keeper", password="secret")
    theirs = url.render_as_string(hide_password=False)
    with connect(theirs) as connection:
        connection.execute("""
            alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
            alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
            alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
            alter default privileges grant select on tables to anon;
        """)
    restore(theirs, read_archive(original.file))
    assert contents(theirs) == contents(original.url)
    assert schema(theirs) == schema(original.url)


def test_what_is_written_meanwhile_is_not_in_it(original: Original, new_database: NewDatabase, tmp_path: Path) -> None:
    """A writer between counting and dumping: both see the same moment."""
    url = new_database()
    restore(url, read_archive(original.file))
    before = contents(url)

    def write(what: str) -> None:
        if what == "Dumping":
            with connect(url) as connection:
                connection.execute("update goals set title = title || ' now'")

    manifest = backup(url, tmp_path / "a.backup", write)
    assert manifest.tables == before != contents(url)
    again = new_database()
    restore(again, read_archive(tmp_path / "a.backup"))
    assert contents(again) == before


def test_what_operators_have_added_is_in_it(
    new_schema: NewDatabase, new_database: NewDatabase, elsewhere: EmbeddedServer, tmp_path: Path
) -> None:
    url, again, reader = new_schema(), new_database(), "reader_of_reports"
    with connect(url) as connection:
        connection.execute(f"create role {reader}".encode())
        connection.execute(
            f"""
            create schema "re""ports";
            create table "re""ports".weekly (said text, n integer generated always as identity primary key);
            insert into "re""ports".weekly (said) values
                (E'\\\\.'), (E'a\\tb\\n\\\\.\\nc'), (null), ('COPY x (y) FROM stdin;'),
                ('SET transaction_timeout = 0;');
            grant usage on schema "re""ports" to {reader};
            grant select on "re""ports".weekly to {reader};
            create view public.titles with (security_invoker) as select title from public.goals;
        """.encode()
        )
    try:
        backup(url, tmp_path / "a.backup")
        restore(again, read_archive(tmp_path / "a.backup"))
        query, right = (
            b'select * from "re""ports".weekly order by n',
            b"""
            select has_table_privilege('reader_of_reports', '"re""ports".weekly', 'select')""",
        )
        with connect(url) as before, connect(again) as after:
            assert after.execute(query).fetchall() == before.execute(query).fetchall()
            assert after.execute(right).fetchone() == (True,)
        with connect(elsewhere.url) as connection:
            connection.execute("create database bare")
        with pytest.raises(BackupError, match=f"roles that are not there; make them first: {reader}"):
            restore(at(elsewhere.url, "bare"), read_archive(tmp_path / "a.backup"))
    finally:
        for place in (url, again):
            with connect(place) as connection:
                connection.execute(f"drop owned by {reader}".encode())
        with connect(url) as connection:
            connection.execute(f"drop role {reader}".encode())


def test_a_database_that_was_never_used_can_be_backed_up(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database()
    assert backup(new_database(), tmp_path / "a.backup").revision is None
    restore(url, read_archive(tmp_path / "a.backup"))
    assert is_empty(url)


async def test_an_older_one_is_compared_and_then_brought_up_to_date(
    settings: Settings, new_database: NewDatabase, new_schema: NewDatabase, tmp_path: Path
) -> None:
    old = migrate.revisions()[2]
    url, target = new_database(), new_database()
    migrate.upgrade(url, old)
    with connect(url) as connection:
        fill(connection)
    assert backup(url, tmp_path / "old.backup").revision == old
    restore(target, read_archive(tmp_path / "old.backup"))
    assert contents(target) == contents(url)
    async with await open_server(make_settings(settings.data_dir, DATABASE_URL=target), upgrade=True):
        assert schema(target) == schema(new_schema())


def test_the_file_is_whole_private_and_described(original: Original, tmp_path: Path) -> None:
    assert original.file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in original.file.parent.iterdir()] == [original.file.name]
    with tarfile.open(original.file) as tar:
        assert tar.getnames() == [MANIFEST, DUMP, SUMS]
        tar.extractall(tmp_path, filter="data")
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=tmp_path, check=True)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["revision"] == migrate.head()
    assert manifest["tables"]["public.spaces"]["rows"] == 3


def test_a_file_that_is_there_is_left_alone(original: Original, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        backup(original.url, file)
    assert file.read_text() == "mine"


def test_a_dump_that_fails_leaves_no_file(original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "DUMP_OPTIONS", (*backups.DUMP_OPTIONS, "--table=no.such"))
    with pytest.raises(ProgramError, match="pg_dump failed: no matching"):
        backup(original.url, tmp_path / "a.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_policies_hold_back_is_refused(original: Original, tmp_path: Path) -> None:
    login = original.world.server.logins.jobs_url
    with pytest.raises(ConfigurationError, match="goalspace_jobs of DATABASE_URL does not see all rows"):
        backup(login, tmp_path / "a.backup")
    with pytest.raises(ConfigurationError, match="does not see all rows"):
        restore(login, read_archive(original.file))
    assert list(tmp_path.iterdir()) == []


def test_no_program_is_new_enough() -> None:
    with pytest.raises(ConfigurationError, match=r"pg_dump of PostgreSQL 99 or newer \(.*pg_dump is of version 18"):
        find_program("pg_dump", 99)


def test_a_damaged_file_is_refused(original: Original, tmp_path: Path) -> None:
    whole = original.file.read_bytes()
    file = tmp_path / "damaged"
    for length in (0, 100, 600, len(whole) // 2, len(whole) - 2048, len(whole) - 1500):
        file.write_bytes(whole[:length])
        with pytest.raises(BackupError):
            read_archive(file)
    for place in (30, 700, len(whole) // 3, len(whole) - 1400):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupError):
            read_archive(file)


def test_a_database_that_holds_something_is_left_alone(original: Original) -> None:
    before = contents(original.url)
    with pytest.raises(BackupError, match=r"The database is not empty: assistant, auth, jobs, .* and \d+ more"):
        restore(original.url, read_archive(original.file))
    assert contents(original.url) == before


def test_rows_that_differ_from_what_was_counted_are_not_kept(original: Original, new_database: NewDatabase) -> None:
    url = new_database()
    archive = read_archive(original.file)
    spaces = archive.manifest.tables["public.spaces"]
    for wrong, told in (
        (TableContents(spaces.rows + 1, spaces.checksum), "public.spaces has 3 rows, not 4"),
        (TableContents(spaces.rows, "1"), "public.spaces has other contents"),
    ):
        manifest = replace_table(archive.manifest, wrong)
        with pytest.raises(BackupError, match=f"{told}. Nothing was kept"):
            restore(url, replace(archive, manifest=manifest))
        assert is_empty(url)


def test_a_schema_that_comes_out_different_is_not_kept(original: Original, new_database: NewDatabase) -> None:
    url = new_database()
    archive = read_archive(original.file)
    schema = {**archive.manifest.schema, "policy goals_select_policy on public.goals": "another"}
    manifest = msgspec.structs.replace(archive.manifest, schema=schema)
    with pytest.raises(BackupError, match=r"policy goals_select_policy on public\.goals is different"):
        restore(url, replace(archive, manifest=manifest))
    assert is_empty(url)


def replace_table(manifest: Manifest, contents: TableContents) -> Manifest:
    return msgspec.structs.replace(manifest, tables={**manifest.tables, "public.spaces": contents})


def test_people_must_be_there_where_another_keeps_auth(original: Original, new_database: NewDatabase) -> None:
    url = new_database()
    with connect(url) as connection:
        connection.execute("""
            create schema auth;
            create table auth.users (id uuid primary key, email varchar(255));
            create function auth.uid() returns uuid language sql stable as 'select null::uuid';
        """)
        with pytest.raises(BackupError, match=r"not in auth\.users of this database"):
            restore(url, read_archive(original.file))
        assert is_empty(url)
        with psycopg.connect(original.url.replace("+psycopg", "")) as source:
            people = source.execute("select id, email from auth.users").fetchall()
        with connection.cursor() as cursor:
            cursor.executemany("insert into auth.users values (%s, %s)", people)
    restore(url, read_archive(original.file))
    expected = {name: each for name, each in contents(original.url).items() if name != "auth.users"}
    assert {name: each for name, each in contents(url).items() if name != "auth.users"} == expected
