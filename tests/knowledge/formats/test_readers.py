"""Processes that read files: what harms one of them harms one file."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import psutil
import pytest

from assistant.errors import InvalidError, TooLargeError, UnsupportedError
from assistant.knowledge.extraction import Extracted
from assistant.knowledge.formats import process
from assistant.knowledge.formats import readers as readers_module
from assistant.knowledge.formats.readers import BUSY_SECONDS, MAX_WAITING, Readers, ReadersBusyError

PAGE = b"<html><title>Knots</title><p>Bowline"
LABOUR = b"<html>" + b"<p>a<b>b</b>" * 1_000_000
"""Takes some seconds, and some hundred megabytes."""


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    async with Readers() as opened:
        yield opened


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(os.getpid()).children()
        if child.status() != psutil.STATUS_ZOMBIE and "assistant.knowledge.formats.process" in child.cmdline()
    ]


async def read_page(readers: Readers) -> Extracted:
    return await readers.read(PAGE, "a.html")


async def test_a_process_is_used_again_and_ends_with_its_owner(readers: Readers) -> None:
    async with Readers() as own:
        before = children()
        assert (await own.read(b"# Plain", "a.md")).title == "Plain"
        assert children() == before
        for _ in range(3):
            assert (await read_page(own)).content == "Bowline"
        with pytest.raises(InvalidError, match="damaged"):
            await own.read(b"%PDF-1.4", "a.pdf")
        [child] = set(children()) - set(before)
        environment = child.environ()
    assert not child.is_running()
    assert environment.keys() <= {"PYTHONPATH", "LC_CTYPE"}  # the interpreter sets the second


async def begun(readers: Readers) -> tuple[asyncio.Task[Extracted], psutil.Process]:
    """A file that takes long, and the process that is reading it: not one of a service that other tests use."""
    before = set(children())
    task = asyncio.create_task(readers.read(LABOUR, "a.html", owner="bob"))
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.01)
            if found := set(children()) - before:
                return task, found.pop()


async def test_a_process_that_was_killed_harms_one_file(readers: Readers) -> None:
    bad, child = await begun(readers)
    child.kill()
    with pytest.raises(UnsupportedError, match="damaged, or made to harm"):
        await bad
    assert (await read_page(readers)).title == "Knots"


async def test_a_process_that_answers_too_much_is_not_listened_to(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    with monkeypatch.context() as patch:
        patch.setattr(readers_module, "MAX_ANSWER", 10)
        with pytest.raises(UnsupportedError, match="made to harm"):
            await read_page(readers)
        assert children() == before
    assert (await read_page(readers)).title == "Knots"


async def test_one_who_waits_no_longer_leaves_no_process_at_work(readers: Readers) -> None:
    waiting, child = await begun(readers)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not child.is_running()
    assert (await read_page(readers)).title == "Knots"


@pytest.mark.parametrize(
    ("memory", "cpu_seconds", "seconds", "says"),
    [
        (200 * 1024 * 1024, 45, 60, "memory|made to harm"),
        (process.MEMORY, 0, 60, "of computing"),
        (process.MEMORY, 45, 0.4, "longer than the 0.4 s"),
    ],
)
async def test_limits_of_memory_and_time_are_kept(memory: int, cpu_seconds: int, seconds: float, says: str) -> None:
    async with Readers(memory=memory, cpu_seconds=cpu_seconds, seconds=seconds) as limited:
        with pytest.raises((TooLargeError, UnsupportedError), match=says):
            await limited.read(LABOUR, "a.html")
        assert (await read_page(limited)).title == "Knots"


async def test_others_do_not_wait_for_all_files_of_one(readers: Readers) -> None:
    many = [asyncio.create_task(readers.read(LABOUR, "a.html", owner="bob")) for _ in range(5)]
    await asyncio.sleep(0)
    assert (await readers.read(PAGE, "a.html", owner="ada")).title == "Knots"
    assert not any(task.done() for task in many)
    await cancel(many)


async def cancel(tasks: Sequence[asyncio.Task[Extracted]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nobody_waits_for_ever_for_a_reader() -> None:
    async with Readers(wait_seconds=0.1) as hurried:
        busy = [asyncio.create_task(hurried.read(LABOUR, "a.html", owner=owner)) for owner in ("bob", "cleo")]
        await asyncio.sleep(0)
        for owner in ("ada", "bob", None):
            with pytest.raises(ReadersBusyError) as caught:
                await hurried.read(PAGE, "a.html", owner=owner)
            assert (caught.value.status_code, caught.value.retry_after) == (503, BUSY_SECONDS)
        assert (await hurried.read(b"# Plain", "a.md", owner="ada")).title == "Plain"
        assert not any(task.done() for task in busy)
        await cancel(busy)
        assert (await hurried.read(PAGE, "a.html", owner="bob")).title == "Knots"


async def test_one_person_has_so_many_files_wait(readers: Readers) -> None:
    waiting = [asyncio.create_task(readers.read(LABOUR, "a.html", owner="bob")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(ReadersBusyError):
        await readers.read(PAGE, "a.html", owner="bob")
    assert (await readers.read(PAGE, "a.html", owner="ada")).title == "Knots"
    await cancel(waiting)
    assert (await readers.read(PAGE, "a.html", owner="bob")).title == "Knots"


@pytest.mark.parametrize(
    "does",
    [
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('/dev/null', 'w')",
    ],
)
def test_a_parser_that_was_taken_over_reaches_nobody(does: str) -> None:
    code = f"from assistant.knowledge.formats import process; process._confine(process.MEMORY)\n{does}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("PermissionError"), done.stderr
