"""Uses so small and frequent that each is not worth a statement of its own: gathered, and logged a few times a minute.

Queries that are embedded come here. What a process has gathered when it is killed is lost: at most `FLUSH_SECONDS` of
queries, some ten tokens each. Everything dearer is reserved and logged with what it was for.
"""

import asyncio
import contextvars
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import structlog

from assistant.db.session import Database
from assistant.errors import AssistantError
from assistant.usage.entries import embedding
from assistant.usage.reservations import log_usage

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 5.0

MOST_KEPT: Final = 10_000
"""Kinds of uses (who, where, which model) that are kept for a database that is away; more are given up."""


@dataclass(frozen=True, slots=True)
class _Use:
    user_id: UUID
    space_id: UUID
    model: str


class Meter:
    """One per process. Uses of one person in one space by one model become one row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens: Counter[_Use] = Counter()
        self._calls: Counter[_Use] = Counter()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._flush_for_ever(), context=contextvars.Context())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        with suppress(AssistantError):
            await self.flush()

    def embedded(self, user_id: UUID, space_id: UUID, model: str, tokens: int) -> None:
        """Queries were embedded; takes no time."""
        use = _Use(user_id, space_id, model)
        if use in self._calls or len(self._calls) < MOST_KEPT:
            self._tokens[use] += tokens
            self._calls[use] += 1

    async def flush(self) -> None:
        """Log what was gathered. Raises the errors of `assistant.db.errors`; then it is kept for the next time."""
        if not self._calls:
            return
        tokens, calls = self._tokens, self._calls
        self._tokens, self._calls = Counter(), Counter()
        rows = []
        for use, count in calls.items():
            row = embedding(use.model, tokens[use]).entry().row(use.space_id)
            row["details"]["calls"] = count
            rows.append(row | {"user_id": str(use.user_id)})
        try:
            await log_usage(self._database, rows)
        except AssistantError:
            self._tokens.update(tokens)
            self._calls.update(calls)
            raise

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except AssistantError as error:
                log.warning("usage_not_logged", code=error.code)
            except Exception:  # what went wrong this time need not the next time
                log.exception("usage_not_logged")
