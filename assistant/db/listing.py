"""Lists, each in one statement: filtered, sorted, and read straight into what goes over the wire.

A list is declared once, with all that a client may ask of it. Conditions and sort keys are texts of ours; what a client
sends is only ever bound. Rows that the caller may not see are not there: policies decide, as everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Generic, LiteralString, TypeVar
from uuid import UUID

import msgspec

Item = TypeVar("Item", bound=msgspec.Struct)

NEVER: Final = datetime(3001, 1, 1, tzinfo=UTC)
"""Later than any date that can be stored: what has no date is sorted after all that have one."""


@dataclass(frozen=True, slots=True)
class Key:
    """A value that a list is sorted by: an expression that is never null, and the same value told from an item."""

    sql: LiteralString
    type: type
    of: Callable[[Any], Any]


def column(name: LiteralString, type_: type) -> Key:
    """A column that is never null."""
    return Key(name, type_, attrgetter(name))


def date_or_never(name: LiteralString) -> Key:
    """A date that may not be set."""
    return Key(f"coalesce({name}, '3001-01-01Z')", datetime, lambda item: getattr(item, name) or NEVER)


ID: Final = column("id", UUID)

Order = tuple[Key, ...]
"""Unique together; all of them go up."""

BY_CREATION: Final[Mapping[str, Order]] = {
    "created": (column("created_at", datetime), ID),
    "updated": (column("updated_at", datetime), ID),
    "title": (column("title", str), ID),
}


def contained_in(*columns: LiteralString) -> LiteralString:
    """A filter `q`: a text that stands in one of them, in capitals or not."""
    return f"({' or '.join([f'{name} ilike %(q)s' for name in columns])})"


@dataclass(frozen=True, eq=False)
class Listing(Generic[Item]):
    """What can be listed of `source`, a table or a join.

    A filter's condition names its value `%(filter)s`. An order is asked for by its name, or by `-name` from its end.
    With `parent`, a query for the row that the list belongs to: where it gives nothing there is no list either, and
    `noun` says what is not there.
    """

    name: str
    item: type[Item]
    source: LiteralString
    filters: Mapping[str, LiteralString]
    orders: Mapping[str, Order]
    parent: LiteralString | None = None
    noun: str = ""
    columns: tuple[str, ...] = ()
    """Those that `make` takes; else the fields of `item`, in their order."""
    make: Callable[..., Item] | None = None

    def keys(self, order: str) -> Order:
        return self.orders[order.removeprefix("-")]

    @lru_cache(maxsize=200)  # noqa: B019 - listings are made once and stay
    def statement(self, filters: tuple[str, ...], order: str, *, resumed: bool) -> LiteralString:
        """Up to `%(limit)s` items that fulfil the filters; if `resumed`, those after `%(after_0)s`, `%(after_1)s` …"""
        keys, descending = [key.sql for key in self.keys(order)], order.startswith("-")
        conditions: list[str] = [self.filters[name] for name in filters]
        if resumed:
            there = ", ".join(f"%(after_{number})s" for number in range(len(keys)))
            conditions.append(f"({', '.join(keys)}) {'<' if descending else '>'} ({there})")
        parts = [
            f"select {', '.join(self.columns or self.item.__struct_fields__)} from {self.source}",  # noqa: S608
            f"where {' and '.join(conditions)}" if conditions else "",
            f"order by {', '.join(f'{key} desc' if descending else key for key in keys)} limit %(limit)s",
        ]
        return " ".join(parts)

    def read(self, rows: list[tuple[Any, ...]]) -> list[Item]:
        make = self.make or self.item
        return [make(*row) for row in rows]
