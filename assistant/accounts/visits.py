"""When people were last here: noted in memory where they are let in, written together now and then.

A request neither writes nor waits. A person is written once in five minutes at most, whatever they do, by however many
processes; what was noted in the last seconds before a crash is noted again with the next visit.
"""

from collections import OrderedDict
from time import monotonic
from typing import Final
from uuid import UUID

from assistant.accounts import repository
from assistant.buffered import Buffered
from assistant.db.session import Database

EXACT_SECONDS: Final = 300.0
"""`last_active_at` is no more exact than this."""

WRITE_SECONDS: Final = 2.0
"""Between two writes, each of all who came meanwhile."""

REMEMBERED: Final = 20_000


class Visits(Buffered):
    """See assistant/buffered.py."""

    def __init__(self, database: Database) -> None:
        super().__init__(WRITE_SECONDS, "visits_not_written")
        self._database = database
        self._noted: OrderedDict[UUID, float] = OrderedDict()
        self._waiting: set[UUID] = set()

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

    async def _write(self) -> None:
        visitors = list(self._waiting)
        if visitors:
            values = {"users": visitors, "seconds": EXACT_SECONDS}
            await self._database.fetch_as_service("accounts", repository.RECORD_VISITS, values)
            self._waiting.difference_update(visitors)
