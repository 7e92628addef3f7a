"""Reading a sorted list piece by piece, by the values of the last row instead of a count of rows."""

from collections.abc import Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

Columns = TypeVarTuple("Columns")


def keyset(
    statement: Select[*Columns],
    columns: Sequence[InstrumentedAttribute[Any]],
    *,
    after: Sequence[object] | None,
    limit: int,
    descending: bool = False,
) -> Select[*Columns]:
    """The next `limit` rows after those values. `columns` together are unique, and none of them is nullable."""
    if after is not None:
        here = tuple_(*columns)
        statement = statement.where(here < tuple(after) if descending else here > tuple(after))
    return statement.order_by(*(column.desc() if descending else column for column in columns)).limit(limit)
