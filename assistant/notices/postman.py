"""Sends what waits in the outbox. Every worker has one; a message that one of them holds, the others leave alone."""

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol

import structlog

from assistant.db.session import Database
from assistant.errors import AssistantError
from assistant.notices import outbox
from assistant.notices.outbox import WaitingNotice

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 5.0
"""Between looks into the outbox."""

DIGEST_SECONDS: Final = 300.0
"""Between looks at whose hour has come."""


class Courier(Protocol):
    async def deliver(self, notice: WaitingNotice) -> None:
        """Send it and note that it was sent, or note what stood in the way."""


class Postman:
    """Sends messages, or where there is no mail server clears them away, so that nothing waits for ever."""

    def __init__(self, database: Database, courier: Courier | None) -> None:
        self._database = database
        self._courier = courier
        self._digests_at = float("-inf")

    async def run(self) -> None:
        """For ever; what goes wrong is tried again."""
        while True:
            try:
                await self.work()
            except AssistantError as error:
                log.warning("notices_not_sent", code=error.code)
            except Exception:  # a message that breaks us must not keep the others back
                log.exception("notices_failed")
            await asyncio.sleep(POLL_SECONDS)

    async def work(self) -> None:
        """All that is to be done now."""
        if monotonic() - self._digests_at >= DIGEST_SECONDS:
            self._digests_at = monotonic()
            if self._courier is None:
                await outbox.drop_unsendable(self._database)
            else:
                await outbox.queue_digests(self._database, datetime.now(UTC))
        if self._courier is not None:
            while (notice := await outbox.claim(self._database)) is not None:
                await self._courier.deliver(notice)
