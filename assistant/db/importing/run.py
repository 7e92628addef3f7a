"""An import from beginning to end: checked, backed up, copied in one transaction, compared, and kept or not.

check      the file, every query, every column, and the values as far as they can be known before
back up    the database that is filled, as it is
copy       streamed from one read-only moment of the old database, into one transaction of ours
compare    rows and each column's checksum, the query's against the table's; references are checked by the database
keep       all of it, or nothing: where anything differs, or with `dry_run`
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql

from assistant.db import migrate
from assistant.db.backup import backup
from assistant.db.contents import Told, check_sees_all, is_auth_ours, write_alike
from assistant.db.importing.mapping import ImportProblem, MappedTable
from assistant.db.importing.source import (
    Checks,
    Figures,
    Query,
    check_query,
    copy_out,
    data_problems,
    months,
    open_source,
    read_figures,
    refused_values,
    stored_figures,
)
from assistant.db.importing.target import Table, in_order, read_tables
from assistant.db.setup import connect

SILENCED: Final = {
    "public.module_progress": "keep_progress_true",  # it would date everybody's last step today
    "public.space_collaborators": "announce_invitation",  # who was invited long ago gets no message now
}
"""Triggers that would falsify what is imported, or tell people of it."""


class TableReport(msgspec.Struct, frozen=True):
    """What was copied, and compared column by column."""

    table: str
    rows: int
    columns: list[str]


class ImportReport(msgspec.Struct, frozen=True):
    """`kept`: whether it was committed."""

    kept: bool
    backup: str
    tables: list[TableReport]
    foreign_keys: int
    """References that the database has checked for every row."""
    queued_documents: int
    """That the service will index when it runs."""


def import_from(
    dsn: str,
    url: str,
    mapping: list[MappedTable],
    backup_file: Path,
    *,
    dry_run: bool,
    checks: Checks = MappingProxyType({}),
    tell: Told = lambda _: None,
) -> ImportReport:
    """Fill the database at `url` from the one at `dsn`.

    Raises ConfigurationError, ImportProblem, BackupError, ProgramError, OSError; then nothing was changed.
    """
    with connect(url) as target, open_source(dsn) as source:
        check_sees_all(target)
        if (revision := migrate.current(target)) != migrate.head():
            raise ImportProblem(
                [f"The database is at revision {revision or 'none'}; run 'goalspace db upgrade' first."]
            )
        tell("Checking the queries")
        queries = _check(source, target, mapping)
        figures = _check_values(source, queries, checks, tell)
        tell("Making a backup")
        backup_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup(url, backup_file, tell)
        target.execute("set statement_timeout = 0")
        target.execute("set idle_in_transaction_session_timeout = 0")
        with target.transaction() as transaction:
            report = _fill(source, target, queries, figures, tell)
            if dry_run:
                raise psycopg.Rollback(transaction)
        if not dry_run:
            tell("Gathering statistics")
            target.execute("analyze")
            target.execute("select assistant.refresh_space_summaries()")
    return msgspec.structs.replace(report, kept=not dry_run, backup=str(backup_file))


# --- before anything is written ---------------------------------------------------------------------------------------


def _check(
    source: psycopg.Connection[Any], target: psycopg.Connection[Any], mapping: list[MappedTable]
) -> dict[str, Query]:
    """By table, in the order in which they are filled. Raises ImportProblem with all that is wrong."""
    tables = read_tables(target)
    mapped = {each.target: each for each in _with_identities(target, mapping)}
    problems = list(_obstacles(target, tables, mapped))
    queries = {}
    for name in in_order(tables, list(mapped)):
        found = check_query(source, mapped[name], tables[name])
        if isinstance(found, Query):
            queries[name] = found
        elif mapped[name] in mapping:  # else it is made from the users' query, whose faults are told by themselves
            problems += found
    if problems:
        raise ImportProblem(problems)
    return queries


def _with_identities(target: psycopg.Connection[Any], mapping: list[MappedTable]) -> list[MappedTable]:
    """Where we keep `auth.users` ourselves, everybody gets a row in it; elsewhere the identity provider has made it."""
    targets = {each.target: each for each in mapping}
    users = targets.get("public.users")
    if not is_auth_ours(target):
        if identities := targets.get("auth.users"):
            raise ImportProblem([f"{identities.place}: auth.users is the identity provider's; make people there."])
        return mapping
    if users is None or "auth.users" in targets:
        return mapping
    query = f"select u.id, u.email from ({users.query}\n) u"  # noqa: S608 - the operator's own query
    return [replace(users, name="auth.users", target="auth.users", query=query), *mapping]


def _obstacles(
    target: psycopg.Connection[Any], tables: dict[str, Table], mapped: dict[str, MappedTable]
) -> Iterator[str]:
    """Only empty tables are filled: what is compared is the whole table."""
    for name, each in mapped.items():
        table = tables[name]
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(table.schema, table.name))
        (rows,) = target.execute(query).fetchone() or (0,)
        if rows:
            yield f"{each.place}: {each.name} holds {rows} rows already; an import fills empty tables only."


def _check_values(
    source: psycopg.Connection[Any], queries: dict[str, Query], checks: Checks, tell: Told
) -> dict[str, Figures]:
    figures, problems = {}, []
    for name, query in queries.items():
        tell(f"Reading {query.mapped.name}")
        try:
            figures[name] = read_figures(source, query)
        except ImportProblem as problem:
            problems += problem.problems
            continue
        problems += data_problems(query, figures[name])
        problems += refused_values(source, query, checks)
    if problems:
        raise ImportProblem(problems)
    return figures


# --- the transaction --------------------------------------------------------------------------------------------------


def _fill(
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    queries: dict[str, Query],
    figures: dict[str, Figures],
    tell: Told,
) -> ImportReport:
    target.execute("select pg_advisory_xact_lock(hashtext(%s))", (migrate.LOCK,))
    target.execute("set local lock_timeout = '5s'")
    names = [sql.Identifier(query.table.schema, query.table.name) for query in queries.values()]
    with _explained("the tables"):
        target.execute(sql.SQL("lock table {} in share row exclusive mode").format(sql.SQL(", ").join(names)))
    for name, query in queries.items():
        tell(f"Copying {query.mapped.name}")
        with _explained(query.mapped.name, query.mapped.place):
            if query.table.is_partitioned:
                _make_months(source, target, query)
            with _silence(target, name):
                _copy(source, target, query)
    with _explained("the end of the transaction"):
        target.execute("set constraints all immediate")
    tell("Comparing")
    write_alike(target)
    problems = [
        problem
        for name, query in queries.items()
        for problem in _differences(query, figures[name], stored_figures(target, query))
    ]
    if problems:
        raise ImportProblem([*problems, "Nothing was kept."])
    return ImportReport(
        kept=False,
        backup="",
        tables=[
            TableReport(query.mapped.name, figures[name].rows, [column.name for column in query.columns])
            for name, query in queries.items()
        ],
        foreign_keys=_count_references(target, list(queries)),
        queued_documents=figures["public.documents"].rows if "public.documents" in figures else 0,
    )


def _make_months(source: psycopg.Connection[Any], target: psycopg.Connection[Any], query: Query) -> None:
    """Partitions for what is old, as the default one is not meant to keep anything."""
    if not any(column.name == "created_at" for column in query.columns):
        return
    for month in months(source, query):
        target.execute(
            "select private.prepare_partition(%(parent)s, %(month)s), private.attach_partition(%(parent)s, %(month)s)"
            " where not private.has_partition(%(parent)s, %(month)s)",
            {"parent": query.table.name, "month": month},
        )


@contextmanager
def _silence(target: psycopg.Connection[Any], name: str) -> Iterator[None]:
    """Without the trigger that must not fire. It is back before the transaction ends."""
    trigger = SILENCED.get(name)
    if trigger is None:
        yield
        return
    table, quoted = sql.Identifier(*name.split(".")), sql.Identifier(trigger)
    target.execute(sql.SQL("alter table {} disable trigger {}").format(table, quoted))
    yield
    target.execute(sql.SQL("alter table {} enable trigger {}").format(table, quoted))


def _copy(source: psycopg.Connection[Any], target: psycopg.Connection[Any], query: Query) -> None:
    table = sql.Identifier(query.table.schema, query.table.name)
    # The tables were empty: what is there now came by triggers of those before, as everybody's preferences do.
    target.execute(sql.SQL("delete from {}").format(table))
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in query.columns)
    copy_in = sql.SQL("copy {} ({}) from stdin").format(table, columns)
    with source.cursor().copy(copy_out(query)) as rows, target.cursor().copy(copy_in) as into:
        for piece in rows:
            into.write(piece)


def _differences(query: Query, expected: Figures, found: Figures) -> Iterator[str]:
    if found.rows != expected.rows:
        yield f"{query.mapped.place}: {query.mapped.name} has {found.rows} rows, the query gave {expected.rows}."
        return
    for name, wanted in expected.columns.items():
        stored = found.columns[name]
        if stored.values != wanted.values:
            yield f"{query.mapped.at(name)}: has {stored.values} values, the query gave {wanted.values}."
        elif stored.checksum != wanted.checksum:
            yield f"{query.mapped.at(name)}: holds other values than the query gave."


def _count_references(target: psycopg.Connection[Any], names: list[str]) -> int:
    row = target.execute(
        "select count(*) from pg_constraint where contype = 'f' and convalidated and conparentid = 0"
        " and conrelid = any (%s::text[]::regclass[])",
        (names,),
    ).fetchone()
    return int(row[0]) if row is not None else 0


@contextmanager
def _explained(name: str, place: str = "") -> Iterator[None]:
    """What the database refuses, with the row that it refuses."""
    try:
        yield
    except psycopg.Error as exc:
        diag = exc.diag
        parts = [diag.message_primary or str(exc).strip() or type(exc).__name__, diag.message_detail]
        where = diag.context.splitlines()[0] if diag.context and diag.context.startswith("COPY") else None
        said = "; ".join(part.rstrip(".") for part in (*parts, where) if part)
        raise ImportProblem([f"{place + ': ' if place else ''}{name}: {said}.", "Nothing was kept."]) from exc
