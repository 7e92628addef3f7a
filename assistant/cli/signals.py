"""How commands end when they are told to: in order, since an embedded database is not to be left running."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

Result = TypeVar("Result")

CANCEL_SECONDS: Final = 1.0
"""Between two tries: `wait_for` of Python 3.11 may lose a cancellation."""


def terminate(number: int, _: FrameType | None) -> NoReturn:
    """Exit by way of an exception. Only where nothing of asyncio runs, which may swallow it."""
    sys.exit(128 + number)


@contextmanager
def on_signal(number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """The handler, while the block runs."""
    if threading.current_thread() is not threading.main_thread():  # only the main one hears of signals
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """A command's work, from start to end. SIGTERM cancels it, as asyncio does at Ctrl-C."""
    with on_signal(signal.SIGTERM, terminate):
        return asyncio.run(_cancelled_by_sigterm(work))


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, Result]) -> Result:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    told = False

    def cancel() -> None:
        nonlocal told
        told = True
        task.cancel()
        loop.call_later(CANCEL_SECONDS, cancel)

    if threading.current_thread() is threading.main_thread() and sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            sys.exit(128 + signal.SIGTERM)
        raise
