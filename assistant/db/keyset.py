"""Reading a sorted list piece by piece, by the values of the last row instead of a count of rows."""

from collections.abc import Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import Select, SQLColumnExpression, tuple_

Columns = TypeVarTuple("Columns")


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
