"""A backup: everything in the database as it is at one moment, in one file.

one snapshot      exported by a transaction of ours, which counts in it; `pg_dump` reads in the same one
all rows          by a role that policies do not hold back; `pg_dump` itself refuses where they would
all that is ours  and what else the same role has made (a superuser: everything); not an identity provider's `auth`
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from assistant.db import migrate
from assistant.db.archive import FORMAT, Manifest, new_file, write_archive
from assistant.db.catalogue import fingerprint
from assistant.db.contents import Told, check_sees_all, is_auth_ours, read_contents, stored_tables
from assistant.db.dump import PIECE_BYTES, find_program, running
from assistant.db.roles import DEFINER
from assistant.db.setup import connect

DUMP_OPTIONS: Final = (
    "--format=custom",
    "--no-unlogged-table-data",  # what a crash would lose a restore may lose
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--lock-wait-timeout=30s",
)

_SCHEMAS: Final = """
    select n.nspname, n.nspname in ('public', 'migrations', 'assistant', 'private', 'partitions', 'jobs')
        or n.nspname = 'auth' and %s
        or n.nspname <> 'auth' and (n.nspowner = current_user::regrole
                                    or (select rolsuper from pg_roles where rolname = current_user))
    from pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1
"""
"""Each schema, and whether it belongs into a backup."""

_ROLES: Final = """
    with acls as (
        select relacl as acl, relowner as owner, relnamespace as place from pg_class
        union all select proacl, proowner, pronamespace from pg_proc
        union all select nspacl, nspowner, oid from pg_namespace
        union all select attacl, null, relnamespace from pg_attribute a join pg_class c on c.oid = a.attrelid)
    select distinct r.rolname
    from acls cross join lateral (
        select grantee from aclexplode(acl) union select owner) x(role)
    join pg_roles r on r.oid = x.role
    where place in (select oid from pg_namespace where nspname = any (%s)) and r.rolname !~ '^pg_'
    order by 1
"""


def backup(url: str, path: Path, tell: Told = lambda _: None) -> Manifest:
    """Write a backup of the database at `url` to `path`, whole or not at all.

    Raises ConfigurationError, BackupError, ProgramError, OSError; then there is no file.
    """
    with connect(url) as connection, new_file(path) as file:
        check_sees_all(connection)
        program, version = find_program("pg_dump", connection.info.server_version // 10_000)
        connection.execute("set idle_in_transaction_session_timeout = 0")
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            ours, others = _schemas(connection)
            manifest = _describe(connection, ours, version, tell)
            tell("Dumping")
            options = [f"--snapshot={_snapshot(connection)}", *(f"--exclude-schema={name}" for name in others)]
            with running(program, [*DUMP_OPTIONS, *options], url=url) as output:
                write_archive(file, manifest, _pieces(output, tell))
    return manifest


def _snapshot(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("select pg_export_snapshot()").fetchone()
    assert row is not None, "a function has a value"
    return str(row[0])


def _pieces(output: Any, tell: Told) -> Iterator[bytes]:
    written = 0
    while piece := output.read(PIECE_BYTES):
        written += len(piece)
        tell(f"Dumping: {written / 1_000_000:.0f} MB")
        yield piece


def _schemas(connection: psycopg.Connection[Any]) -> tuple[list[str], list[str]]:
    rows = connection.execute(_SCHEMAS, (bool(is_auth_ours(connection)),)).fetchall()
    others = [name.replace('"', '""') for name, ours in rows if not ours]
    return [name for name, ours in rows if ours], [f'"{name}"' for name in others]


def _describe(connection: psycopg.Connection[Any], schemas: list[str], dump_version: int, tell: Told) -> Manifest:
    tables = read_contents(connection, stored_tables(connection, schemas), tell)
    (owner,) = connection.execute("select current_user").fetchone() or ("",)
    extensions = connection.execute("""
        select extname, extnamespace::regnamespace::text from pg_extension where extname in ('vector', 'uuid-ossp')
    """)
    roles = connection.execute(_ROLES, (schemas,)).fetchall()
    revision = migrate.current(connection)
    schema = fingerprint(connection)
    connection.execute("set local search_path = ''")  # so that names of types say where they are
    functions = connection.execute("""
        select p.oid::regprocedure::text from pg_proc p join pg_roles r on r.oid = p.proowner
        where r.rolname = %s order by 1
    """, (DEFINER,)).fetchall()  # fmt: skip
    return Manifest(
        format=FORMAT,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=revision,
        server_version=connection.info.server_version,
        dump_version=dump_version,
        owner=owner,
        lacks_auth=is_auth_ours(connection) is False,
        extensions=dict(extensions.fetchall()),
        roles=[name for (name,) in roles],
        definer_functions=[name for (name,) in functions],
        tables=tables,
        schema=schema,
    )
