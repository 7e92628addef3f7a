"""What our tables take: columns, types, keys, and the order in which they can be filled."""

from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Column:
    """`type` as PostgreSQL writes it, with its size: `vector(1536)`."""

    name: str
    type: str
    is_required: bool
    """Must not be null."""
    has_default: bool

    @property
    def base_type(self) -> str:
        return self.type.partition("(")[0]

    @property
    def is_vector(self) -> bool:
        return self.base_type.rpartition(".")[2] in ("vector", "halfvec")

    @property
    def dimensions(self) -> int | None:
        """Of a vector of fixed size."""
        size = self.type.partition("(")[2].removesuffix(")")
        return int(size) if self.is_vector and size else None


@dataclass(frozen=True, slots=True)
class Table:
    """One of ours."""

    schema: str
    name: str
    columns: dict[str, Column]
    key: tuple[str, ...]
    """The primary key's columns."""
    needs: frozenset[str]
    """Other tables, with their schemas, whose rows it refers to."""
    is_partitioned: bool


def read_tables(connection: psycopg.Connection[Any]) -> dict[str, Table]:
    """All of them, by name with schema."""
    rows = connection.execute("""
        select n.nspname, c.relname, c.relkind = 'p',
            array(select jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                            'is_required', a.attnotnull, 'has_default', a.atthasdef)
                  from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                  and a.attgenerated = '' and a.attidentity = '' order by a.attnum),
            coalesce((select array_agg(a.attname::text order by k.n) from pg_constraint p
                      cross join unnest(p.conkey) with ordinality k(attnum, n)
                      join pg_attribute a on a.attrelid = p.conrelid and a.attnum = k.attnum
                      where p.conrelid = c.oid and p.contype = 'p'), '{}'),
            array(select distinct f.confrelid::regclass::text from pg_constraint f
                  where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant', 'auth') and c.relkind in ('r', 'p')
    """)
    return {
        f"{schema}.{name}": Table(
            schema,
            name,
            {each["name"]: Column(**each) for each in columns},
            tuple(key),
            frozenset(other if "." in other else f"public.{other}" for other in needs),
            partitioned,
        )
        for schema, name, partitioned, columns, key, needs in rows
    }


def in_order(tables: dict[str, Table], wanted: list[str]) -> list[str]:
    """`wanted`, each after those that it refers to."""
    ordered: list[str] = []

    def add(name: str) -> None:
        if name in wanted and name not in ordered:
            for other in sorted(tables[name].needs):
                add(other)
            ordered.append(name)

    for name in wanted:
        add(name)
    return ordered
