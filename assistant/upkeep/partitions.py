"""The months of `chat_messages` and `usage_logs`: made ahead, mended, retired.

The work is done by functions of the tables' owner (migrations). None of them is in a hurry: a row without a month is
taken in by the default partition and only waits there for its month.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Final, NamedTuple, Protocol

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.db.session import Database

log = structlog.get_logger(__name__)

MONTHS_AHEAD: Final = 3

FIRST_MONTH: Final = date(1970, 1, 1)
LAST_MONTH: Final = date(2199, 12, 1)
"""A row that claims to be from another time stays in the default partition: it would get a month for itself alone."""


class PatientTransaction(Protocol):
    """Opens a transaction with the service's right, whose statements may take minutes."""

    def __call__(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class StrayMonth(NamedTuple):
    """Rows of a month that a default partition holds."""

    parent: str
    month: date
    rows: int

    def __str__(self) -> str:
        return f"{self.rows:,} of {self.parent} {self.month:%Y-%m}"


async def ensure_partitions(database: Database, today: date) -> int:
    """Make this month and the next ones, where they are missing; how many that was."""
    async with database.service("maintain") as connection:
        made = await connection.scalar(
            text("select assistant.ensure_partitions(:ahead, :today)"), {"ahead": MONTHS_AHEAD, "today": today}
        )
        return int(made or 0)


async def stray_months(database: Database) -> list[StrayMonth]:
    """What the default partitions hold: nothing, while the upkeep keeps up."""
    async with database.service("maintain") as connection:
        rows = await connection.execute(text("select parent, month, row_count from assistant.stray_months()"))
        return [StrayMonth(*row) for row in rows]


async def mend(database: Database, transaction: PatientTransaction) -> AsyncIterator[StrayMonth]:
    """Move stray rows into the months that they belong to, a transaction for each month; what was moved.

    All rows are there for readers all the time; while a month is attached, others wait a tenth of a second at a time.
    """
    for stray in await stray_months(database):
        if not FIRST_MONTH <= stray.month <= LAST_MONTH:
            log.warning("stray_rows_out_of_time", table=stray.parent, rows=stray.rows)
            continue
        values = {"parent": stray.parent, "month": stray.month}
        async with transaction() as connection:
            await connection.execute(text("select assistant.prepare_month(:parent, :month)"), values)
        async with transaction() as connection:
            moved = await connection.scalar(text("select assistant.move_month(:parent, :month)"), values)
        yield stray._replace(rows=int(moved or 0))


async def retire(transaction: PatientTransaction, parent: str, months_kept: int, today: date) -> list[str]:
    """Take older months out of a table; the names under which they stay, out of clients' reach."""
    statement = text("select assistant.detach_months(:parent, :kept, :today)")
    return await _names(transaction, statement.bindparams(parent=parent, kept=months_kept, today=today))


async def drop_retired(transaction: PatientTransaction, parent: str, months_kept: int, today: date) -> list[str]:
    """Delete what was retired, for good."""
    statement = text("select assistant.drop_detached_months(:parent, :kept, :today)")
    return await _names(transaction, statement.bindparams(parent=parent, kept=months_kept, today=today))


async def _names(transaction: PatientTransaction, statement: TextClause) -> list[str]:
    async with transaction() as connection:
        return [str(name) for name in await connection.scalars(statement)]
