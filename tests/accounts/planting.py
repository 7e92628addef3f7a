"""A word of somebody in every table, and the search for it in all of them."""

from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import sql

from assistant.db.setup import Server, connect
from tests.fixtures.api import Caller

CANARY: Final = "canary4711"
PLANT: Final = Path(__file__).with_name("plant.sql")


def plant(server: Server, me: Caller, other: Caller, others_space: str, others_module: str) -> dict[str, object]:
    """As the owner of the tables. What it was done with."""
    word = f"{CANARY}{uuid4().hex[:8]}"
    values: dict[str, object] = {
        "me": me.id, "other": other.id, "email": me.email, "others_space": others_space, "others_module": others_module,
        "id": uuid4(), "word": word, "slug": word,
    }  # fmt: skip
    with psycopg.connect(server.url.replace("+psycopg", ""), cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(PLANT.read_bytes(), values)
    return values


def search(server: Server, *words: object) -> set[str]:
    """Every table of the database, whatever its schema, in which one of them stands, as text or as bytes."""
    found = set()
    with connect(server.url) as connection:
        tables: Any = connection.execute("""
            select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        """).fetchall()
        for schema, table in tables:
            name = sql.Identifier(schema, table)
            for word in words:
                as_bytes = str(word).encode().hex()
                query = sql.SQL("select from {} t where t::text ilike any (%s) limit 1").format(name)
                if connection.execute(query, ([f"%{word}%", f"%{as_bytes}%"],)).fetchone() is not None:
                    found.add(f"{schema}.{table}")
    return found
