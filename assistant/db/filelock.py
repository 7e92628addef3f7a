"""Locks on files (`flock`): the kernel ends them with the process that holds them, however it ends."""

import fcntl
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`. Asks often at first, as most waits are for milliseconds."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited >= seconds:
            return False
        time.sleep(min(0.1, max(0.005, waited / 10)))
    return True


class FileLock:
    """One handle on a lock file; each handle counts, also within one process.

    Programs that this process runs do not inherit it, unless it is handed to them (`pass_fds`): then it stays locked
    until the last of them has ended. A forked copy of this process drops it.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _open_locks.add(self)

    def fileno(self) -> int:
        return self._fd

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Also turns a shared lock into an exclusive one; where that fails, the shared one may be gone."""
        return self._try(fcntl.LOCK_EX)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


_open_locks: "weakref.WeakSet[FileLock]" = weakref.WeakSet()
"""A fork copies every descriptor, and with it the lock: the copies are closed at once."""


def _drop_copies() -> None:
    for lock in list(_open_locks):
        lock.close()


os.register_at_fork(after_in_child=_drop_copies)
