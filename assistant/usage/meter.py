"""Uses so small and frequent that each is not worth a statement of its own: gathered, and logged a few times a minute.

Queries that are embedded come here. What a process has gathered when it is killed is lost: at most `FLUSH_SECONDS` of
queries, some ten tokens each. Everything dearer is reserved and logged with what it was for.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from assistant.buffered import Buffered
from assistant.db.session import Database
from assistant.usage.entries import embedding
from assistant.usage.reservations import log_usage

FLUSH_SECONDS: Final = 5.0

MOST_KEPT: Final = 10_000
"""Kinds of uses (who, where, which model) that are kept for a database that is away; more are given up."""


@dataclass(frozen=True, slots=True)
class _Use:
    user_id: UUID
    space_id: UUID
    model: str


class Meter(Buffered):
    """See assistant/buffered.py. Uses of one person in one space by one model become one row."""

    def __init__(self, database: Database) -> None:
        super().__init__(FLUSH_SECONDS, "usage_not_logged")
        self._database = database
        self._tokens: Counter[_Use] = Counter()
        self._calls: Counter[_Use] = Counter()

    def embedded(self, user_id: UUID, space_id: UUID, model: str, tokens: int) -> None:
        """Queries were embedded; takes no time."""
        use = _Use(user_id, space_id, model)
        if use in self._calls or len(self._calls) < MOST_KEPT:
            self._tokens[use] += tokens
            self._calls[use] += 1

    async def _write(self) -> None:
        tokens, calls = self._tokens.copy(), self._calls.copy()
        rows = []
        for use, count in calls.items():
            row = embedding(use.model, tokens[use]).entry().row(use.space_id)
            row["details"]["calls"] = count
            rows.append(row | {"user_id": str(use.user_id)})
        await log_usage(self._database, rows)
        self._tokens -= tokens
        self._calls -= calls
