"""When people were last here: noted in memory where they are let in, written together now and then.

A request neither writes nor waits. A person is written once in five minutes at most, whatever they do, by however many
processes; what was noted in the last seconds before a crash is noted again with the next visit.
"""

import asyncio
import contextvars
from collections import OrderedDict
from contextlib import suppress
from time import monotonic
from typing import Final, Self
from uuid import UUID

import structlog

from assistant.accounts import repository
from assistant.db.session import Database
from assistant.errors import AssistantError

log = structlog.get_logger(__name__)

EXACT_SECONDS: Final = 300.0
"""`last_active_at` is no more exact than this."""

WRITE_SECONDS: Final = 2.0
"""Between two writes, each of all who came meanwhile."""

REMEMBERED: Final = 20_000


class Visits:
    """One per process; it writes while its block is open, and once more at its end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: OrderedDict[UUID, float] = OrderedDict()
        self._waiting: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_for_ever(), context=contextvars.Context())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.write()

    def note(self, user_id: UUID) -> None:
        """Somebody is here."""
        now = monotonic()
        if now - self._noted.get(user_id, -EXACT_SECONDS) < EXACT_SECONDS:
            return
        self._noted[user_id] = now
        self._noted.move_to_end(user_id)
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
        self._waiting.add(user_id)

    async def write(self) -> None:
        """Write who came since the last time; they are kept for the next time where the database does not answer."""
        visitors, self._waiting = self._waiting, set()
        if not visitors:
            return
        values = {"users": list(visitors), "seconds": EXACT_SECONDS}
        try:
            await self._database.fetch_as_service("accounts", repository.RECORD_VISITS, values)
        except AssistantError as error:
            log.warning("visits_not_written", code=error.code)
            self._waiting |= visitors

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()
