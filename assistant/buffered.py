"""For what happens too often to be worth a statement each time: noted in memory, written together now and then."""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Self

import structlog

from assistant.errors import AssistantError

log = structlog.get_logger(__name__)


class Buffered(ABC):
    """One per process. It writes every `seconds` while its block is open, and once more at its end.

    `failure` is what the log calls a write that failed.
    """

    def __init__(self, seconds: float, failure: str) -> None:
        self._seconds = seconds
        self._failure = failure
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_for_ever(), context=contextvars.Context())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._ended.set()
        await self._task

    async def write(self) -> None:
        """Write what was noted since the last time. Never fails: what cannot be written is kept for the next time."""
        try:
            await self._write()
        except AssistantError as error:
            log.warning(self._failure, code=error.code)
        except Exception:  # what went wrong this time need not the next time
            log.exception(self._failure)

    @abstractmethod
    async def _write(self) -> None:
        """Write what is noted, and take it off once that is done: more may have been noted meanwhile."""

    async def _write_for_ever(self) -> None:
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    is_last = await self._ended.wait()
            await self.write()
