"""Reading a sorted list piece by piece, by the values of the last row instead of a count of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, literal_column, or_, tuple_

Columns = TypeVarTuple("Columns")

NEVER: Final[ColumnElement[datetime]] = literal_column("'infinity'::timestamptz")


def keyset(
    statement: Select[*Columns],
    columns: Sequence[SQLColumnExpression[Any]],
    *,
    after: Sequence[object] | None,
    limit: int,
    descending: bool = False,
) -> Select[*Columns]:
    """The next `limit` rows after those values. `columns` together are unique, and none of them is nullable."""
    if after is not None:
        here, there = tuple_(*columns), tuple_(*after)
        statement = statement.where(here < there if descending else here > there)
    return statement.order_by(*(column.desc() if descending else column for column in columns)).limit(limit)


@dataclass(frozen=True, slots=True)
class Sort:
    """One way to sort a list: by a field of its items, of type `type`, then by their ids."""

    field: str
    type: Any
    column: SQLColumnExpression[Any]
    """What is sorted by in the database. Never null."""
    place: Callable[[Any], Any] = lambda value: value
    """Where a value of the field, also a null one, stands among those of `column`."""


def by_date(field: str, column: SQLColumnExpression[datetime | None]) -> Sort:
    """By a date that may not be set: what has none comes after all that have."""
    return Sort(field, datetime | None, func.coalesce(column, NEVER), lambda value: NEVER if value is None else value)


@dataclass(frozen=True, slots=True)
class Sorting:
    """A sort and its direction."""

    sort: Sort
    id: SQLColumnExpression[UUID]
    descending: bool

    @classmethod
    def named(cls, name: str, sorts: Mapping[str, Sort], id: SQLColumnExpression[UUID]) -> Self:
        """`-due` is `due` from its end."""
        return cls(sorts[name.removeprefix("-")], id, name.startswith("-"))

    @property
    def order(self) -> tuple[tuple[str, Any], ...]:
        """For the paginator: the fields that a page ends with."""
        return ((self.sort.field, self.sort.type), ("id", UUID))

    def page(self, statement: Select[*Columns], after: Sequence[Any] | None, limit: int) -> Select[*Columns]:
        """The next `limit` rows after the one whose fields those are."""
        if after is not None:
            after = (self.sort.place(after[0]), after[1])
        columns = (self.sort.column, self.id)
        return keyset(statement, columns, after=after, limit=limit, descending=self.descending)


def contains(text: str, *columns: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Whether it stands in one of them, in capitals or not; it is a text and no pattern."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
