"""What is noted in memory is written now and then, kept where that fails, and written once more at the end."""

import asyncio
from contextlib import suppress

from assistant.buffered import Buffered
from assistant.errors import UnavailableError


class Notes(Buffered):
    """Fails as often as it is told to."""

    def __init__(self, *failures: Exception, seconds: float = 3600) -> None:
        super().__init__(seconds, "notes_not_written")
        self.failures = list(failures)
        self.noted: list[str] = []
        self.written: list[str] = []
        self.begun, self.gate, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def _write(self) -> None:
        notes = list(self.noted)
        self.begun.set()
        if self.failures:
            raise self.failures.pop(0)
        await self.gate.wait()
        self.written += notes
        self.noted = self.noted[len(notes) :]
        self.done.set()


async def test_it_goes_on_after_a_failure_of_whichever_kind() -> None:
    notes = Notes(UnavailableError("away"), ValueError("a mistake"), seconds=0.001)
    notes.gate.set()
    notes.noted.append("one")
    async with notes, asyncio.timeout(10):
        await notes.done.wait()
    assert notes.written == ["one"]


async def test_the_end_waits_for_a_write_under_way_and_writes_what_came_meanwhile() -> None:
    notes = Notes(seconds=0.001)
    notes.noted.append("one")
    async with notes, asyncio.timeout(10):
        await notes.begun.wait()
        notes.noted.append("two")
        asyncio.get_running_loop().call_soon(notes.gate.set)
    assert (notes.written, notes.noted) == (["one", "two"], [])


async def test_it_is_written_at_the_end_however_that_comes() -> None:
    notes = Notes()
    notes.gate.set()
    with suppress(KeyError):
        async with notes:
            notes.noted.append("one")
            raise KeyError
    assert notes.written == ["one"]
