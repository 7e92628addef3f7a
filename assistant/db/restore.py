"""A backup, put back into an empty database: all of it, compared with what was counted when it was made, or nothing.

the file         checked whole before the database is touched
the database     must be empty; roles that belong to the cluster are made, and stay
one transaction  schema, rows, indexes, owners, default privileges, comparison
afterwards       statistics; the caller brings an older schema up to date
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Literal, LiteralString

import psycopg
from psycopg import sql

from assistant.db import migrate
from assistant.db.archive import Archive, BackupError, Manifest
from assistant.db.catalogue import differences, fingerprint
from assistant.db.contents import Told, check_sees_all, is_auth_ours, read_contents
from assistant.db.dump import find_program, reading
from assistant.db.roles import DEFINER, GROUPS, LENT_SCHEMAS, LOGINS, ensure_roles
from assistant.db.setup import check_server, connect

_OBJECTS: Final = """
    select case when n.nspname = 'public' then format('%%I.%%I', n.nspname, o.name) else format('%%I', n.nspname) end
    from pg_namespace n
    join (select 'pg_class'::regclass as catalogue, oid, relname as name, relnamespace as place from pg_class
          union all select 'pg_proc'::regclass, oid, proname, pronamespace from pg_proc
          union all select 'pg_type'::regclass, oid, typname, typnamespace from pg_type) o on o.place = n.oid
    where n.nspname = any (%s)
      and not exists (select from pg_depend d where d.classid = o.catalogue and d.objid = o.oid and d.deptype = 'e')
    group by 1 order by 1
"""
"""What stands in the way, by name; what belongs to an extension does not."""

LEFT_OUT: Final = re.compile(r"EXTENSION |COMMENT - EXTENSION |EVENT TRIGGER |(COMMENT - )?SCHEMA (- )?public ")
"""Entries of the dump that are not taken: extensions are made before, the schema `public` is there."""

OF_AUTH: Final = re.compile(r"[A-Z ]+ auth |SCHEMA - auth |(ACL|COMMENT) - SCHEMA auth ")

OF_AUTH_BY_NAME: Final = re.compile(r"(^schema auth$|[ ]auth\.)")

DEFAULT_ACL: Final = re.compile(r"DEFAULT ACL ")

DEFAULTS_OF: Final = re.compile(r'(?P<verb>ALTER DEFAULT PRIVILEGES FOR ROLE )(?P<name>"(?:[^"]|"")+"|\w+)')

SKIPPED_LINES: Final = re.compile(rb"(\\(un)?restrict \w+|SET transaction_timeout = 0;)\n")
"""Commands of the `psql` program, and a setting that servers before 17 do not know."""

COPY: Final = re.compile(rb"^COPY (?P<table>.+) \(.*\) FROM stdin;$")


def restore(url: str, archive: Archive, tell: Told = lambda _: None) -> None:
    """Fill the empty database at `url`.

    Raises ConfigurationError, BackupError, ProgramError; then nothing but roles was made.
    """
    manifest = archive.manifest
    with connect(url) as connection:
        check_server(connection)
        check_sees_all(connection)
        has_own_auth = is_auth_ours(connection) is False
        _check_fits(connection, manifest, has_own_auth=has_own_auth)
        ensure_roles(connection)
        dump = _Dump(archive, without_auth=has_own_auth)
        connection.execute("set statement_timeout = 0")
        connection.execute("set idle_in_transaction_session_timeout = 0")
        try:
            with connection.transaction():
                _fill(connection, dump, manifest, tell)
                _compare(connection, manifest, tell, without_auth=has_own_auth)
                _compare_schema(connection, manifest, without_auth=has_own_auth)
        except psycopg.Error as exc:
            raise BackupError(_explain(exc)) from exc
        tell("Gathering statistics")
        connection.execute("analyze")


def _check_fits(connection: psycopg.Connection[Any], manifest: Manifest, *, has_own_auth: bool) -> None:
    if manifest.revision is not None and manifest.revision not in migrate.revisions():
        raise BackupError(
            f"The backup is at revision {manifest.revision}, which this version does not know; "
            "install the version that made it, or a newer one."
        )
    if manifest.lacks_auth and not has_own_auth:
        raise BackupError(
            "The backup is of a database whose identity provider keeps the schema auth, and this database has none: "
            "restore that first."
        )
    schemas = sorted({name.partition(".")[0] for name in manifest.tables} | {"public", *LENT_SCHEMAS})
    wanted = [name for name in schemas if name != "auth" or not has_own_auth]
    obstacles = [name for (name,) in connection.execute(_OBJECTS, (wanted,))]
    if obstacles:
        shown = ", ".join(obstacles[:5]) + (f" and {len(obstacles) - 5} more" if len(obstacles) > 5 else "")
        raise BackupError(
            f"The database is not empty: {shown}. Restore into a new database, or into a new data directory."
        )
    ours = {*GROUPS, *LOGINS, manifest.owner}
    there = {name for (name,) in connection.execute("select rolname from pg_roles")}
    if missing := sorted({*manifest.roles} - there - ours):
        raise BackupError(
            f"The backup gives rights to roles that are not there; make them first: {', '.join(missing)}."
        )


class _Dump:
    """The dump, as SQL, in the order in which a database is filled."""

    def __init__(self, archive: Archive, *, without_auth: bool) -> None:
        self._archive = archive
        self._program, _ = find_program("pg_restore", archive.manifest.dump_version)
        entries = self._list()
        self._entries = [entry for entry in entries if not _is(entry, LEFT_OUT)]
        if without_auth:
            self._entries = [entry for entry in self._entries if not _is(entry, OF_AUTH)]

    def section(self, name: Literal["pre-data", "data", "post-data"]) -> AbstractContextManager[Iterator[bytes]]:
        """Lines of SQL, without default privileges."""
        return self._lines([entry for entry in self._entries if not _is(entry, DEFAULT_ACL)], f"--section={name}")

    def default_privileges(self) -> AbstractContextManager[Iterator[bytes]]:
        return self._lines([entry for entry in self._entries if _is(entry, DEFAULT_ACL)])

    def _list(self) -> list[str]:
        with reading(self._program, ["--list"], self._archive.dump()) as output:
            lines = output.read().decode().splitlines()
        return [line for line in lines if line and not line.startswith(";")]

    @contextmanager
    def _lines(self, entries: list[str], *options: str) -> Iterator[Iterator[bytes]]:
        with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
            chosen.write("\n".join(entries))
            chosen.flush()
            options = ("--no-owner", f"--use-list={chosen.name}", "--file=-", *options)
            with reading(self._program, options, self._archive.dump()) as output:
                yield iter(output)


def _is(entry: str, kind: re.Pattern[str]) -> bool:
    """`3719; 0 0 ACL - SCHEMA public postgres`: what it is stands after three numbers."""
    return kind.match(entry.split(" ", 3)[-1]) is not None


# --- filling ----------------------------------------------------------------------------------------------------------


def _fill(connection: psycopg.Connection[Any], dump: _Dump, manifest: Manifest, tell: Told) -> None:
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (migrate.LOCK,))
    for name, schema in manifest.extensions.items():
        _ensure_extension(connection, name, schema)
    if (place := manifest.extensions.get("vector")) is not None:
        # Once a type of the library was used its settings are known, and everybody may have them in functions.
        connection.execute(sql.SQL("select '[1]'::{}.vector").format(sql.Identifier(place)))
    _forget_default_privileges(connection)
    tell("Making tables")
    with dump.section("pre-data") as lines:
        _run(connection, lines)
    with dump.section("data") as lines:
        _copy(connection, lines, tell)
    tell("Making indexes, constraints and policies")
    with dump.section("post-data") as lines:
        _run(connection, lines)
    _give_to_definer(connection, manifest.definer_functions)
    with dump.default_privileges() as lines:
        _run(connection, _as_ours(connection, lines, manifest.owner))
    connection.execute("set local search_path to default")
    connection.execute("set constraints all immediate")


def _run(connection: psycopg.Connection[Any], lines: Iterator[bytes]) -> None:
    if text := b"".join(line for line in lines if not SKIPPED_LINES.fullmatch(line)):
        connection.execute(text)


def _copy(connection: psycopg.Connection[Any], lines: Iterator[bytes], tell: Told) -> None:
    """Tables' rows as they come, statements in between."""
    statements: list[bytes] = []
    for line in lines:
        table = COPY.match(line)
        if table is None:
            statements.append(line)
            continue
        _run(connection, iter(statements))
        statements.clear()
        tell(f"Filling {table['table'].decode()}")
        with connection.cursor() as cursor, cursor.copy(line.strip().removesuffix(b";")) as copy:
            for row in lines:
                if row == b"\\.\n":
                    break
                copy.write(row)
    _run(connection, iter(statements))


def _ensure_extension(connection: psycopg.Connection[Any], name: str, schema: str) -> None:
    """Where the dump looks for it. Raises BackupError."""
    found = connection.execute(
        "select extnamespace::regnamespace::text from pg_extension where extname = %s", (name,)
    ).fetchone()
    if found is not None and found[0] != schema:
        raise BackupError(
            f"The extension {name} is in the schema {found[0]} here, and was in {schema}: run "
            f"'alter extension \"{name}\" set schema {schema}' as its owner first."
        )
    if found is None:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(
            sql.SQL("create extension {} schema {}").format(sql.Identifier(name), sql.Identifier(schema))
        )


def _forget_default_privileges(connection: psycopg.Connection[Any]) -> None:
    """A dump says what differs from PostgreSQL's own defaults, and not that others' defaults do not count."""
    kinds: tuple[LiteralString, ...] = ("tables", "sequences", "functions", "types")
    places: tuple[LiteralString, ...] = ("", "in schema public")
    for kind in kinds:
        for place in places:
            statement: LiteralString = (
                f"alter default privileges {place} revoke all on {kind} from anon, authenticated, service_role"
            )
            connection.execute(statement)


def _give_to_definer(connection: psycopg.Connection[Any], functions: list[str]) -> None:
    there = [
        sql.Identifier(name)
        for (name,) in connection.execute(
            "select nspname from pg_namespace where nspname = any (%s)", ([*LENT_SCHEMAS],)
        )
    ]
    schemas, definer = sql.SQL(", ").join(there), sql.Identifier(DEFINER)
    connection.execute(sql.SQL("grant create on schema {} to {}").format(schemas, definer))
    for function in functions:
        # The signature was written by the server, and the file's checksum is that of what was written.
        connection.execute(f"alter function {function} owner to {DEFINER}".encode())
    connection.execute(sql.SQL("revoke create on schema {} from {}").format(schemas, definer))


def _as_ours(connection: psycopg.Connection[Any], lines: Iterator[bytes], owner: str) -> Iterator[bytes]:
    """Default privileges are those of a role, which may have another name here. Other roles' are theirs to set."""
    (ours,) = connection.execute("select current_user").fetchone() or ("",)
    for line in lines:
        text = line.decode()
        found = DEFAULTS_OF.match(text)
        if found is not None and found["name"].strip('"').replace('""', '"') == owner:
            name = sql.Identifier(ours).as_string(connection)
            yield f"{found['verb']}{name}{text[found.end() :]}".encode()


# --- comparing --------------------------------------------------------------------------------------------------------


def _compare(connection: psycopg.Connection[Any], manifest: Manifest, tell: Told, *, without_auth: bool) -> None:
    """Raises BackupError where a table does not hold what it held."""
    expected = {
        name: contents
        for name, contents in manifest.tables.items()
        if not (without_auth and name.startswith("auth."))
    }  # fmt: skip
    tables = [(schema, name) for schema, _, name in (each.partition(".") for each in expected)]
    found = read_contents(connection, tables, tell)
    wrong = [
        f"{name} has {found[name].rows} rows, not {contents.rows}"
        if found[name].rows != contents.rows
        else f"{name} has other contents"
        for name, contents in expected.items()
        if found[name] != contents
    ]
    if wrong:
        raise BackupError(f"What was restored is not what was backed up: {'; '.join(wrong[:5])}. Nothing was kept.")


def _compare_schema(connection: psycopg.Connection[Any], manifest: Manifest, *, without_auth: bool) -> None:
    """Policies, rights, functions and all else. Raises BackupError. Only a server of the same version writes alike."""
    if connection.info.server_version // 10_000 != manifest.server_version // 10_000:
        return
    expected = {
        name: text for name, text in manifest.schema.items() if not (without_auth and OF_AUTH_BY_NAME.search(name))
    }
    if wrong := differences(fingerprint(connection), expected):
        raise BackupError(f"What was restored is not what was backed up: {'; '.join(wrong[:5])}. Nothing was kept.")


def _explain(error: psycopg.Error) -> str:
    if error.diag.constraint_name == "users_id_fkey":
        return "People of the backup are not in auth.users of this database: restore those first. Nothing was kept."
    reason = error.diag.message_primary or str(error).strip() or type(error).__name__
    return f"The backup cannot be restored here: {reason}. Nothing was kept."
