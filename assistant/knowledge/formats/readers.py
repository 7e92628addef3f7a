"""Where files are given to be read: processes that are used again, and replaced when a file was the end of one."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

import msgspec
import structlog

from assistant.errors import TooLargeError, UnsupportedError
from assistant.knowledge.extraction import Extracted, check_size
from assistant.knowledge.formats.process import CPU_SECONDS, ERRORS, MEMORY, SIZE, SIZES, Answer, Request
from assistant.knowledge.formats.reading import is_plain, read_file

AT_A_TIME: Final = 2
SECONDS: Final = 60.0
"""By the clock, for one file."""

GRACE_SECONDS: Final = 0.5
"""What a process has to end on its own when it is closed."""

log = structlog.get_logger(__name__)


class Readers:
    """Reads files. Close it: it has processes, which are started with the first file that needs one."""

    def __init__(self, *, memory: int = MEMORY, cpu_seconds: int = CPU_SECONDS, seconds: float = SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._idle = [_Reader(memory, seconds) for _ in range(AT_A_TIME)]
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        for reader in self._idle:
            await reader.end()

    async def read(self, data: bytes, name: str, *, owner: Hashable = None, is_web_page: bool = False) -> Extracted:
        """The text of a file, by its content; its name is a hint, and its title where it has none.

        `owner`: whose files wait for each other, so that those of others need not wait for all of them. `is_web_page`:
        only its main text is wanted. Raises InvalidError (empty, damaged), TooLargeError (also of what is inside, and
        of the time that it takes), and UnsupportedError (nothing that can be read).
        """
        check_size(data)
        if not is_web_page and is_plain(data, name):  # no parser, no danger
            return await asyncio.to_thread(read_file, data, name)
        answer = await self._ask(Request(name, "web page" if is_web_page else "file", self._cpu_seconds), data, owner)
        assert answer.extracted is not None, "an answer is a text or an error"
        return answer.extracted

    async def read_site_map(self, data: bytes) -> list[str]:
        """The addresses in it. Raises InvalidError, TooLargeError."""
        check_size(data)
        return (await self._ask(Request("", "site map", self._cpu_seconds), data, None)).links

    async def _ask(self, request: Request, data: bytes, owner: Hashable) -> Answer:
        async with self._turn(owner), self._slots:
            reader = self._idle.pop()
            try:
                answer = await reader.read(request, data)
            finally:
                self._idle.append(reader)
        if answer.fault:
            log.info("file_not_read", fault=answer.fault)
        if answer.error:
            raise ERRORS[answer.error](answer.detail)
        return answer

    @asynccontextmanager
    async def _turn(self, owner: Hashable) -> AsyncIterator[None]:
        if owner is None:
            yield
            return
        lock = self._turns.setdefault(owner, asyncio.Lock())
        async with lock:
            yield


class _Reader:
    """One process, or none yet."""

    def __init__(self, memory: int, seconds: float) -> None:
        self._memory = memory
        self._seconds = seconds
        self._process: Process | None = None

    async def read(self, request: Request, data: bytes) -> Answer:
        """Raises TooLargeError and UnsupportedError where the process did not live to answer."""
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    answer = await self._try(request, data)
                    if answer is not None:
                        return answer
        except TimeoutError:
            raise TooLargeError(f"Reading the file takes longer than the {self._seconds:g} s that it may.") from None

    async def _try(self, request: Request, data: bytes) -> Answer | None:
        """None: the process had ended on its own before, and a new one has to be asked."""
        process = self._process or await self._start()
        try:
            return await _exchange(process, request, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self.end()
        except BaseException:  # it is in the middle of a file that nobody waits for any more
            process.kill()
            await asyncio.shield(self.end())
            raise
        if status == 0:
            return None
        log.warning("reader_ended", status=status)
        if status == -signal.SIGXCPU:
            raise TooLargeError(f"Reading the file takes more than {request.cpu_seconds} s of computing.")
        raise UnsupportedError("The file cannot be read: it is damaged, or made to harm who opens it.")

    async def _start(self) -> Process:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "assistant.knowledge.formats.process", str(self._memory)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # none of the service's secrets
            start_new_session=True,  # who presses Ctrl-C means the service, which ends this one
        )
        return self._process

    async def end(self) -> int:
        """Its status: 0 where it had ended as it should."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            await _stop(process)
        return process.returncode or 0


async def _stop(process: Process) -> None:
    """One that waits for work ends when its input does; one that works has no time to lose."""
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _exchange(process: Process, request: Request, data: bytes) -> Answer:
    assert process.stdin is not None
    assert process.stdout is not None
    asked = msgspec.msgpack.encode(request)
    process.stdin.writelines((SIZES.pack(len(asked), len(data)), asked, data))
    await process.stdin.drain()
    (size,) = SIZE.unpack(await process.stdout.readexactly(SIZE.size))
    return msgspec.msgpack.decode(await process.stdout.readexactly(size), type=Answer)
