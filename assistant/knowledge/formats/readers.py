"""Where files are given to be read: processes that are used again, and replaced when a file was the end of one."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

import msgspec
import structlog

from assistant.errors import InvalidError, TooLargeError, UnavailableError, UnsupportedError
from assistant.knowledge.extraction import Extracted, Format, check_size, read_text
from assistant.knowledge.formats.process import CPU_SECONDS, ERRORS, MEMORY, SIZE, SIZES, Answer, Request
from assistant.knowledge.formats.reading import is_plain, read_file

AT_A_TIME: Final = 2
SECONDS: Final = 60.0
"""By the clock, for one file."""

WAIT_SECONDS: Final = 30.0
"""For one's turn, before one is told to come again."""

MAX_WAITING: Final = 20
"""Files of one person, with the one that is read: each is in memory."""

BUSY_SECONDS: Final = 10
"""After which some files have been read."""

MAX_ANSWER: Final = 16 * 1024 * 1024
"""Bytes. No text that is kept takes as many: it comes from a parser that was taken over."""

GRACE_SECONDS: Final = 0.5
"""What a process has to end on its own when it is closed."""

log = structlog.get_logger(__name__)


class ReadersBusyError(UnavailableError):
    """There are more files than are read in the time that anybody waits."""

    code, title = "readers_busy", "Too many files at once"

    def __init__(self) -> None:
        super().__init__(
            "Too many files are waiting to be read at the moment; please send this one again in some seconds.",
            retry_after=BUSY_SECONDS,
        )


class Readers:
    """Reads files. Close it: it has processes, which are started with the first file that needs one."""

    def __init__(
        self,
        *,
        memory: int = MEMORY,
        cpu_seconds: int = CPU_SECONDS,
        seconds: float = SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._wait_seconds = wait_seconds
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._idle = [_Reader(memory, seconds) for _ in range(AT_A_TIME)]
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._waiting = Counter[Hashable]()

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
        of the time that it takes), UnsupportedError (nothing that can be read), and ReadersBusyError.
        """
        check_size(data)
        if not is_web_page and is_plain(data, name):  # no parser, no danger
            return await asyncio.to_thread(read_file, data, name)
        return await self._read(Request(name, "web page" if is_web_page else "file", self._cpu_seconds), data, owner)

    async def read_text(
        self, text: str, kind: Format, *, title: str | None = None, owner: Hashable = None
    ) -> Extracted:
        """The same of a text of which is known what it is. Raises InvalidError, TooLargeError, ReadersBusyError."""
        if kind != "html":
            return read_text(text, kind, title=title)
        data = text.encode("utf-8", "replace")
        try:
            check_size(data)
            return await self._read(Request(title or "", "HTML", self._cpu_seconds), data, owner)
        except InvalidError as exc:
            raise InvalidError(exc.detail, path="content") from None

    async def read_site_map(self, data: bytes) -> list[str]:
        """The addresses in it. Raises InvalidError, TooLargeError, ReadersBusyError."""
        check_size(data)
        return (await self._ask(Request("", "site map", self._cpu_seconds), data, None)).links

    async def _read(self, request: Request, data: bytes, owner: Hashable) -> Extracted:
        answer = await self._ask(request, data, owner)
        assert answer.extracted is not None, "an answer is a text or an error"
        return answer.extracted

    async def _ask(self, request: Request, data: bytes, owner: Hashable) -> Answer:
        async with self._turn(owner) as reader:
            answer = await reader.read(request, data)
        if answer.fault:
            log.info("file_not_read", fault=answer.fault)
        if answer.error:
            raise ERRORS[answer.error](answer.detail)
        return answer

    @asynccontextmanager
    async def _turn(self, owner: Hashable) -> AsyncIterator["_Reader"]:
        """A reader, once the owner's files before this one are read and one is free. Raises ReadersBusyError."""
        async with AsyncExitStack() as held:
            if owner is not None:
                held.enter_context(self._place(owner))
            try:
                async with asyncio.timeout(self._wait_seconds):
                    if owner is not None:
                        await held.enter_async_context(self._turns.setdefault(owner, asyncio.Lock()))
                    await held.enter_async_context(self._slots)
            except TimeoutError:
                raise ReadersBusyError from None
            reader = self._idle.pop()
            held.callback(self._idle.append, reader)
            yield reader

    @contextmanager
    def _place(self, owner: Hashable) -> Iterator[None]:
        """Raises ReadersBusyError where the owner's files take as many as they may."""
        if self._waiting[owner] >= MAX_WAITING:
            raise ReadersBusyError
        self._waiting[owner] += 1
        try:
            yield
        finally:
            self._waiting[owner] -= 1
            if not self._waiting[owner]:
                del self._waiting[owner]


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
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(self.end())
            raise
        if status == 0:
            return None
        log.warning("reader_ended", status=status)
        if status == -signal.SIGXCPU:
            raise TooLargeError(f"Reading the file takes more than {request.cpu_seconds} s of computing.")
        raise _harmful()

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
    if size > MAX_ANSWER:
        raise _harmful()
    return msgspec.msgpack.decode(await process.stdout.readexactly(size), type=Answer)


def _harmful() -> UnsupportedError:
    return UnsupportedError("The file cannot be read: it is damaged, or made to harm who opens it.")
