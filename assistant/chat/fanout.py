"""Word from other processes: that a run has new events, or that somebody wants it to stop.

Notifications carry ids only, and one may be lost: who waits also looks by itself now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final
from uuid import UUID

import psycopg
import structlog

log = structlog.get_logger(__name__)

RECONNECT_SECONDS: Final = 1.0


class Fanout:
    """Listens on a connection of its own, which must not go through a transaction pooler."""

    def __init__(self, url: str, on_cancel: Callable[[UUID], None]) -> None:
        self._url = url
        self._on_cancel = on_cancel
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Listen for ever, over as many connections as it takes."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as exc:
                log.warning("fanout_lost", error=type(exc).__name__)
            self._wake_all()  # whatever was said meanwhile was not heard
            await asyncio.sleep(RECONNECT_SECONDS)

    async def wait(self, run_id: UUID, seconds: float) -> None:
        """Until something is said about the run, or `seconds` have passed."""
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute("listen goalspace_events")
            await connection.execute("listen goalspace_cancel")
            async for notice in connection.notifies():
                try:
                    run_id = UUID(notice.payload)
                except ValueError:
                    continue  # anybody who may connect may notify
                if notice.channel == "goalspace_cancel":
                    self._on_cancel(run_id)
                else:
                    self._wake(run_id)

    def _wake(self, run_id: UUID) -> None:
        for event in self._waiting.get(run_id, ()):
            event.set()

    def _wake_all(self) -> None:
        for run_id in list(self._waiting):
            self._wake(run_id)
