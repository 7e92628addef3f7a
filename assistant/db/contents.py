"""What is in a database, in figures that two databases can be compared by."""

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql

from assistant.errors import ConfigurationError

AUTH_MARK: Final = "stand-in of goalspace-assistant"
"""The comment on the schema `auth` where it is ours and not an identity provider's."""

SAME_TEXT: Final = (
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
)
"""Whatever a server's defaults are, the same value reads the same."""

Told = Callable[[str], None]
"""Is told what a long piece of work is at."""


class TableContents(msgspec.Struct, frozen=True):
    """`checksum` sums a hash of each row: the same rows have the same one, in whatever order they lie."""

    rows: int
    checksum: str


def write_alike(connection: psycopg.Connection[Any]) -> None:
    """For the rest of the transaction, values become text in one way on all servers."""
    for name, value in SAME_TEXT:
        connection.execute("select set_config(%s, %s, true)", (name, value))


def hash_of(text: sql.Composable) -> sql.Composed:
    """A number below 2^60 from an expression of type text; null stays null. Sums of it are exact."""
    return sql.SQL("('x' || left(md5(convert_to({}, 'UTF8')), 15))::bit(60)::bigint").format(text)


def is_auth_ours(connection: psycopg.Connection[Any]) -> bool | None:
    """None: there is no schema `auth`."""
    row = connection.execute("""
        select coalesce(obj_description(oid, 'pg_namespace') = %s, false) from pg_namespace where nspname = 'auth'
    """, (AUTH_MARK,)).fetchone()  # fmt: skip
    return None if row is None else bool(row[0])


def check_sees_all(connection: psycopg.Connection[Any]) -> None:
    """Raises ConfigurationError where policies would hide rows from this role."""
    row = connection.execute(
        "select rolname, rolsuper or rolbypassrls from pg_roles where rolname = current_user"
    ).fetchone()
    assert row is not None, "whoever is connected has a role"
    if not row[1]:
        raise ConfigurationError(
            f"The role {row[0]} of DATABASE_URL does not see all rows: row-level security would hide the others. "
            "It must be a superuser or have BYPASSRLS."
        )


def stored_tables(connection: psycopg.Connection[Any], schemas: Collection[str]) -> list[tuple[str, str]]:
    """Schema and name of all tables that hold rows and survive a crash: partitions, and not what they are part of."""
    return connection.execute("""
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%s) and c.relkind = 'r' and c.relpersistence = 'p'
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
        order by 1, 2
    """, (list(schemas),)).fetchall()  # fmt: skip


def read_contents(
    connection: psycopg.Connection[Any], tables: Collection[tuple[str, str]], tell: Told = lambda _: None
) -> dict[str, TableContents]:
    """By "schema.table", as the connection's transaction sees them. Reads every row."""
    write_alike(connection)
    found = {}
    for schema, name in tables:
        tell(f"Counting {schema}.{name}")
        query = sql.SQL("select count(*), coalesce(sum({}), 0)::text from only {} r").format(
            hash_of(sql.SQL("r::text")), sql.Identifier(schema, name)
        )
        row = connection.execute(query).fetchone()
        assert row is not None, "an aggregate has one row"
        found[f"{schema}.{name}"] = TableContents(row[0], row[1])
    return found
