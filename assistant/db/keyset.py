"""Reading a sorted list piece by piece, by the values of the last row instead of a count of rows."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row", bound=tuple[Any, ...])


def keyset(
    statement: Select[Row],
    columns: Sequence[InstrumentedAttribute[Any]],
    *,
    after: Sequence[object] | None,
    limit: int,
    descending: bool = False,
) -> Select[Row]:
    """The next `limit` rows after those values. `columns` together are unique, and none of them is nullable."""
    if after is not None:
        here = tuple_(*columns)
        statement = statement.where(here < tuple(after) if descending else here > tuple(after))
    return statement.order_by(*(column.desc() if descending else column for column in columns)).limit(limit)
