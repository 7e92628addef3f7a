"""The old database: one read-only moment of it, what its queries give, and how that becomes what our tables take."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql

from assistant.db.contents import hash_of, write_alike
from assistant.db.importing.mapping import ImportProblem, MappedTable
from assistant.db.importing.target import Column, Table
from assistant.errors import ConfigurationError, InvalidError

CONNECT_SECONDS: Final = 10

_TEXTS: Final = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_WHOLE: Final = frozenset({"int2", "int4", "int8"})

ACCEPTED: Final[dict[str, frozenset[str]]] = {
    "bigint": _WHOLE,
    "boolean": frozenset({"bool"}),
    "bytea": frozenset({"bytea"}),
    "halfvec": frozenset({"vector", "halfvec", "_float4", "_float8"}),
    "integer": _WHOLE,
    "json": frozenset({"json", "jsonb"}),
    "jsonb": frozenset({"json", "jsonb"}),
    "smallint": _WHOLE,
    "text": _TEXTS,
    "timestamp with time zone": frozenset({"timestamptz"}),
    "uuid": frozenset({"uuid"}),
    "vector": frozenset({"vector", "halfvec", "_float4", "_float8"}),
}
"""Types of the old database that one of ours takes as they are. Others the query has to turn into these."""

HINTS: Final = {
    ("timestamp with time zone", "timestamp"): "say whose time it is: at time zone 'UTC'",
    ("timestamp with time zone", "date"): "say at what time: (day::timestamp at time zone 'UTC')",
    ("uuid", "text"): "write ::uuid",
    ("uuid", "varchar"): "write ::uuid",
    ("uuid", "int4"): "make one from it: md5('person:' || id)::uuid",
    ("uuid", "int8"): "make one from it: md5('person:' || id)::uuid",
    ("integer", "numeric"): "write round(…)::integer",
    ("boolean", "int4"): "write … <> 0",
    ("jsonb", "text"): "write ::jsonb",
}


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """How many values a column has, and what they add up to."""

    values: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A table, or a query's result, as two of them are compared."""

    rows: int
    columns: dict[str, ColumnFigures]
    dimensions: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """Of vectors: the fewest and the most."""


@dataclass(frozen=True, slots=True)
class Query:
    """A mapped query, checked against the table that it is to fill."""

    mapped: MappedTable
    table: Table
    columns: tuple[Column, ...]
    """In the order in which the query gives them."""
    source_types: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Of the primary key, what the query gives; the rest has a default."""
        return tuple(name for name in self.table.key if name in {column.name for column in self.columns})

    def value(self, column: Column) -> sql.Composable:
        """In the old database: the column as our type, as far as that has a text of its own."""
        given = self.source_types[self.columns.index(column)]
        name = sql.Identifier("q", column.name)
        if column.is_vector and given.startswith("_"):
            return sql.SQL("translate({}::real[]::text, '{{}}', '[]')").format(name)
        if column.is_vector:
            return sql.SQL("{}::text").format(name)
        return sql.SQL("{}::{}").format(name, sql.SQL(column.type))

    @property
    def body(self) -> sql.Composed:
        return sql.SQL("({}\n) q").format(sql.SQL(self.mapped.query))


@contextmanager
def open_source(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """One transaction: everything is read as it was at its beginning, and nothing can be written."""
    try:
        connection = psycopg.connect(dsn.replace("+psycopg", "", 1), connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.OperationalError as exc:
        reason = str(exc).strip().splitlines()[-1] if str(exc).strip() else "no answer"
        raise ConfigurationError(f"--from: the old database cannot be reached: {reason}") from exc
    except psycopg.Error as exc:  # about the text itself, which may hold a password
        raise ConfigurationError("--from: is no address such as postgresql://user@host:5432/database") from exc
    with connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local idle_in_transaction_session_timeout = 0")
        connection.execute("set local statement_timeout = 0")
        connection.execute("set client_encoding = 'UTF8'")
        write_alike(connection)
        yield connection


def check_query(connection: psycopg.Connection[Any], mapped: MappedTable, table: Table) -> Query | list[str]:
    """The query, or all that keeps it from filling the table."""
    try:
        with connection.transaction():
            cursor = connection.execute(sql.SQL("select * from ({}\n) q limit 0").format(sql.SQL(mapped.query)))
    except psycopg.Error as exc:
        return [f"{_place(mapped, exc)}: {mapped.name}: the query fails: {exc.diag.message_primary}."]
    given = [(each.name, each.type_code) for each in cursor.description or ()]
    types = _type_names(connection, [code for _, code in given])
    problems = list(_problems(mapped, table, [(name, types[code]) for name, code in given]))
    if problems:
        return problems
    return Query(
        mapped, table, tuple(table.columns[name] for name, _ in given), tuple(types[code] for _, code in given)
    )


def _place(mapped: MappedTable, error: psycopg.Error) -> str:
    """The line that the database complains about. Its count begins with our own opening."""
    before = len("select * from (")
    position = error.diag.statement_position
    if position is None or int(position) <= before:
        return mapped.place
    line = mapped.line + mapped.query.count("\n", 0, int(position) - 1 - before)
    return f"{mapped.place.rpartition(':')[0]}:{line}"


def _type_names(connection: psycopg.Connection[Any], codes: Sequence[int]) -> dict[int, str]:
    """Enumerations count as text."""
    rows = connection.execute(
        "select oid::bigint, case typtype when 'e' then 'text' else typname end from pg_type where oid = any (%s)",
        (list(codes),),
    )
    return {int(oid): str(name) for oid, name in rows}


def _problems(mapped: MappedTable, table: Table, given: list[tuple[str, str]]) -> Iterator[str]:
    names = [name for name, _ in given]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{mapped.at(name)}: the query gives it {names.count(name)} times."
    for name, type_name in given:
        column = table.columns.get(name)
        if column is None:
            known = ", ".join(sorted(table.columns.keys() - set(names)))
            yield f"{mapped.at(name)}: there is no such column; not filled yet: {known}."
        elif type_name not in ACCEPTED.get(column.base_type.rpartition(".")[2], frozenset({type_name})):
            hint = HINTS.get((column.base_type, type_name))
            yield f"{mapped.at(name)}: is {type_name}, expected {column.type}" + (f"; {hint}." if hint else ".")
    for column in table.columns.values():
        if column.is_required and not column.has_default and column.name not in names:
            yield f"{mapped.at(column.name)}: is missing; it has no default and must not be null ({column.type})."


def read_figures(connection: psycopg.Connection[Any], query: Query) -> Figures:
    """Of the query's result, in one pass over it. Raises ImportProblem where the query fails on the way."""
    vectors = [column for column in query.columns if column.is_vector]
    lengths = [
        part
        for column in vectors
        for part in (
            sql.SQL("min(array_length({}::real[], 1))").format(sql.Identifier("q", column.name)),
            sql.SQL("max(array_length({}::real[], 1))").format(sql.Identifier("q", column.name)),
        )
    ]
    statement = _figures(query, [query.value(column) for column in query.columns], lengths, query.body)
    try:
        with connection.transaction():
            row = connection.execute(statement).fetchone()
    except psycopg.Error as exc:
        raise ImportProblem(
            [f"{query.mapped.place}: {query.mapped.name}: the query fails: {exc.diag.message_primary}."]
        ) from exc
    assert row is not None, "an aggregate has one row"
    figures = _read(query, row)
    found = row[len(row) - len(lengths) :]
    dimensions = {column.name: (found[2 * n], found[2 * n + 1]) for n, column in enumerate(vectors)}
    return Figures(figures.rows, figures.columns, dimensions)


def stored_figures(connection: psycopg.Connection[Any], query: Query) -> Figures:
    """The same of our table: what is in it now."""
    values = [sql.Identifier("q", column.name) for column in query.columns]
    body = sql.SQL("{} q").format(sql.Identifier(query.table.schema, query.table.name))
    row = connection.execute(_figures(query, values, [], body)).fetchone()
    assert row is not None, "an aggregate has one row"
    return _read(query, row)


def _figures(
    query: Query, values: Sequence[sql.Composable], more: Sequence[sql.Composable], body: sql.Composable
) -> sql.Composed:
    """Each value is hashed with its row's key: values that changed places do not add up to the same."""
    by_name = dict(zip((column.name for column in query.columns), values, strict=True))
    key = [sql.SQL("{}::text || '|' || ").format(by_name[name]) for name in query.key]
    parts = []
    for value in values:
        text = sql.SQL("").join([*key, sql.SQL("{}::text").format(value)])
        parts += [sql.SQL("count({})").format(value), sql.SQL("coalesce(sum({}), 0)::text").format(hash_of(text))]
    return sql.SQL("select count(*), {} from {}").format(sql.SQL(", ").join([*parts, *more]), body)


def _read(query: Query, row: tuple[Any, ...]) -> Figures:
    columns = {
        column.name: ColumnFigures(row[1 + 2 * n], row[2 + 2 * n]) for n, column in enumerate(query.columns)
    }  # fmt: skip
    return Figures(row[0], columns)


def data_problems(query: Query, figures: Figures) -> Iterator[str]:
    """What the values themselves say against it, before anything is written."""
    for column in query.columns:
        missing = figures.rows - figures.columns[column.name].values
        if column.is_required and missing:
            yield f"{query.mapped.at(column.name)}: is null in {missing} of {figures.rows} rows, and must not be."
        fewest, most = figures.dimensions.get(column.name, (None, None))
        if column.dimensions is not None and most is not None and {fewest, most} != {column.dimensions}:
            shown = f"{most}" if fewest == most else f"{fewest} to {most}"
            yield f"{query.mapped.at(column.name)}: has {shown} dimensions, expected {column.dimensions}."


Checks = Mapping[str, Callable[[Any], None]]
"""By column, as in `spaces.ai_mentor_config`: raises InvalidError for a value that the service would refuse. Of JSON
columns only."""

TOLD_VALUES: Final = 20
"""Of a column's refused values: who has read so many knows what the query has to mend."""


def refused_values(connection: psycopg.Connection[Any], query: Query, checks: Checks) -> Iterator[str]:
    """What the service's own rules say against the values, before anything is written."""
    for column in query.columns:
        check = checks.get(f"{query.mapped.name}.{column.name}")
        if check is None:
            continue
        statement = sql.SQL("select {}, count(*) from {} group by 1").format(query.value(column), query.body)
        told = 0
        for value, rows in connection.execute(statement):
            try:
                if value is not None:  # whether that may be is said by the table
                    check(value)
            except InvalidError as error:
                [fault] = error.extra["errors"]
                yield f"{query.mapped.at(column.name)}: {fault['path']}: {fault['message']} ({rows} of its rows)"
                told += 1
            if told == TOLD_VALUES:
                break


def copy_out(query: Query) -> sql.Composed:
    """The statement that gives the rows as text."""
    values = sql.SQL(", ").join(query.value(column) for column in query.columns)
    return sql.SQL("copy (select {} from {}) to stdout").format(values, query.body)


def months(connection: psycopg.Connection[Any], query: Query) -> list[Any]:
    """The months that the rows belong to, for a table that is partitioned by them."""
    statement = sql.SQL("select distinct date_trunc('month', q.created_at at time zone 'UTC')::date from {} order by 1")
    return [month for (month,) in connection.execute(statement.format(query.body)) if month is not None]
