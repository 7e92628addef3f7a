"""The embedded PostgreSQL server, shared by all processes that use one data directory.

Who uses it holds a shared lock; who starts or stops it holds an exclusive one on another file. The last to leave stops
the server. The kernel drops the locks of a killed process, so it is never counted as a user; where all were killed, the
server goes on, and the next process takes it over.
"""

import asyncio
import atexit
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assistant.db.cluster import DATABASE, NEW_MB, Cluster, no_space
from assistant.db.filelock import FileLock, wait_until
from assistant.errors import ConfigurationError

TURN_SECONDS = 30.0
"""Starting and stopping take a second or two; longer than this, something is stuck."""


class EmbeddedServer:
    """A process's share in the running server. It ends with `close`, with the process, or in a forked copy of it."""

    database = DATABASE

    def __init__(self, home: Path, use: FileLock, cluster: Cluster) -> None:
        self._home = home
        self._use = use
        self._cluster = cluster
        self.url = cluster.url()
        """For libpq and SQLAlchemy: the superuser, on a unix socket, without a password."""
        self.socket_dir = cluster.socket_dir
        _shares.add(self)

    def close(self) -> None:
        """Stops the server if nobody else uses it. Waits for that; a second call does nothing."""
        if self not in _shares:
            return
        _shares.discard(self)
        with suppress(ConfigurationError, OSError), _turn(self._home):
            _leave(self._use, self._cluster)
        self._use.close()


async def start_embedded(data_dir: Path) -> EmbeddedServer:
    """A share in the server of `data_dir`, which is made on first use and started if it does not run.

    Raises ConfigurationError, one line, where the folder, the disk, its contents or the machine do not allow it.
    """
    return await asyncio.to_thread(open_embedded, data_dir)


def open_embedded(data_dir: Path) -> EmbeddedServer:
    """As `start_embedded`, for callers without an event loop."""
    folder = data_dir.expanduser().absolute()
    with _explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = folder.resolve() / "postgres"
        home.mkdir(mode=0o700, exist_ok=True)
        with _turn(home):
            cluster = Cluster(home)
            use = FileLock(home / "use.lock")
            counted = use.try_shared()
            assert counted, "only who has the turn locks it exclusively"
            try:
                cluster.ensure_running()
            except BaseException:
                _leave(use, cluster)
                raise
            return EmbeddedServer(home, use, cluster)


def _leave(use: FileLock, cluster: Cluster) -> None:
    if use.try_exclusive():
        cluster.stop()
    use.close()


@contextmanager
def _turn(home: Path) -> Iterator[None]:
    """Our turn to start or to stop the server. Whoever waits for it learns from the file who has it."""
    lock = FileLock(home / "change.lock")
    try:
        if not wait_until(lock.try_exclusive, TURN_SECONDS):
            owner = os.pread(lock.fileno(), 200, 0).decode("utf-8", "replace") or "another process"
            raise ConfigurationError(
                f"{owner} has been starting or stopping the embedded database in {home} for {TURN_SECONDS:.0f} s: "
                "wait for it, or end it."
            )
        with suppress(OSError):
            os.ftruncate(lock.fileno(), 0)
            os.pwrite(lock.fileno(), f"Process {os.getpid()} ({Path(sys.argv[0]).name})".encode(), 0)
        yield
    finally:
        lock.close()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """What the system says about the folder, as one line that names it."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(folder, NEW_MB) from exc
        reason = "it is a file" if isinstance(exc, FileExistsError) else exc.strerror or str(exc)
        raise ConfigurationError(f"The data directory {folder} cannot be used: {reason}.") from exc


_shares: set[EmbeddedServer] = set()
"""What this process has to give back at its end."""


def _close_all() -> None:
    for share in list(_shares):
        share.close()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_shares.clear)
