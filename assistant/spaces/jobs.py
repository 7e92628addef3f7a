"""Keeping `space_summaries` fresh. Statements that change what it shows leave a mark in their own transaction."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from assistant.db.session import Database

PAUSE_SECONDS: Final = 30.0
"""Between two refreshes, however much changes: each one counts all spaces anew."""


async def refresh_summaries(database: Database, *, pause_seconds: float = PAUSE_SECONDS) -> float:
    """Bring the view up to date if it is stale and nobody else is at it, nor was a moment ago.

    For how many seconds it has been behind afterwards; 0: it shows everything. Ends after a minute at the latest, as
    each statement of the service does.
    """
    async with database.service("maintain") as connection:
        statement = text("select assistant.refresh_stale_summaries(:pause)")
        lag = await connection.scalar(statement, {"pause": timedelta(seconds=pause_seconds)})
        return float(lag or 0)
