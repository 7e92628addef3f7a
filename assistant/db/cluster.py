"""One data directory of the embedded server: made, started, stopped. Callers take turns (`assistant/db/embedded.py`)."""

import errno
import hashlib
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from assistant.db.cluster_config import HBA, PORT, SUPERUSER, owner_map, server_settings
from assistant.db.filelock import FileLock, wait_until
from assistant.db.program import MAJOR, Account, programs_for, server_account
from assistant.errors import ConfigurationError

DATABASE = "goalspace"
READY_SECONDS = 120.0
"""A start after a crash replays up to `max_wal_size` of log first."""
STOP_SECONDS = 30.0
"""After that the server ends by itself, and whoever starts next waits for it."""
LOG_BYTES = 1_000_000
"""A longer log becomes `server.log.1` at the next start."""
NEEDED_MB = 100
"""A new database: 47 MB of files and the first segments of its log."""
FULL_BYTES = 10_000_000
"""With less free space a failure without a reason is put down to it: the log may have found no space either."""
SOCKET_PATH_BYTES = 103
"""The shortest limit among systems (macOS); Linux has 107."""
CURRENT_FOLDER = "/proc/self/cwd"
"""Leads every process to the folder that it stands in, whoever may walk the way there. See `Cluster._place`."""


class Cluster:
    """The server's files lie in `home`: `data`, its log and the lock that all of its processes hold."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._data = home / "data"
        self._log = home / "server.log"
        self._socket_record = home / "socket_dir"

    @property
    def socket_dir(self) -> Path:
        """Where the server listens. Recorded, since it may depend on the environment of whoever started it."""
        try:
            return Path(self._socket_record.read_text("utf-8"))
        except FileNotFoundError:
            return self._data

    def url(self, database: str = DATABASE) -> str:
        """For the superuser; no password, the kernel says who we are."""
        return f"postgresql://{SUPERUSER}@:{PORT}/{database}?host={quote(str(self.socket_dir), safe='')}"

    def ensure_running(self) -> None:
        """The server answers and has its database. Raises ConfigurationError where that cannot be had."""
        if not self._answers():
            offset = self._start()
            if not self._answers():
                raise self._failed("does not start", self._log_since(offset))

    def stop(self) -> None:
        """Ends the server if one runs: sessions are cut, everything committed is on disk."""
        pid = self._server_pid()
        if pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGINT)
        if wait_until(lambda: not self._is_alive(), STOP_SECONDS):
            self._remove_short_socket_dir()

    # -- is it there? ------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        """True: the server is ready. False: no process of it is left.

        In between it may be starting, recovering or stopping, or be survivors of a killed server that still have to
        notice: all of that is waited for.
        """
        ready = False
        refusal = ""

        def decided() -> bool:
            nonlocal ready, refusal
            if not self._is_alive():
                return True
            try:
                connection = psycopg.connect(self.url(SUPERUSER), autocommit=True, connect_timeout=5)
            except psycopg.OperationalError as exc:
                refusal = str(exc)
                return False
            with connection:
                self._ensure_database(connection)
            ready = True
            return True

        if not wait_until(decided, READY_SECONDS):
            raise self._failed(f"neither answers nor ends within {READY_SECONDS:.0f} s", refusal)
        return ready

    def _is_alive(self) -> bool:
        """Whether any process of the server is left. A process number could be anybody's by now; the lock cannot."""
        lock = FileLock(self._home / "running.lock")
        try:
            return not lock.try_exclusive()
        finally:
            lock.close()

    def _server_pid(self) -> int | None:
        """The process that listens on the socket, as the kernel knows it; None: nobody whom we can signal."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.socket_dir / f".s.PGSQL.{PORT}"))
                if sys.platform == "linux":
                    peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                    pid: int = struct.unpack("3i", peer)[0]
                else:
                    pid = int((self._data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
            except (OSError, ValueError):
                return None
        return pid or None

    # -- starting ----------------------------------------------------------------------------------------------------

    def _start(self) -> int:
        """Runs the server and returns where its part of the log begins."""
        account = server_account(self._data)
        programs = programs_for(account)
        running = FileLock(self._home / "running.lock")
        try:
            if not running.try_exclusive():
                raise self._failed("is being started by another process", "")
            if not self._data.exists():
                self._make(programs, account, running)
            self._check_version()
            self._configure(account)
            return self._launch(programs, account, running)
        finally:
            running.close()

    def _make(self, programs: Path, account: Account, running: FileLock) -> None:
        """A new data directory, which gets its name only when it is complete and on disk."""
        for leftover in self._home.glob("new-*"):
            shutil.rmtree(leftover)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self._home))
        try:
            if not account.is_ours:
                os.chown(new, account.uid, account.gid)
            command = [
                str(programs / "initdb"),
                f"--pgdata={self._place(new, account)}",
                f"--username={SUPERUSER}",
                "--auth=peer",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                # The parser of full-text search asks the system's locale what a letter is.
                f"--lc-ctype={'C.UTF-8' if sys.platform == 'linux' else 'en_US.UTF-8'}",
                "--no-instructions",
                *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
            ]
            self._run_initdb(command, new, account, running)
            new.rename(self._data)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def _run_initdb(self, command: Sequence[str], new: Path, account: Account, running: FileLock) -> None:
        with tempfile.TemporaryFile() as output:
            process = self._spawn(command, new, account, running, output.fileno())
            try:
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            if code != 0:
                output.seek(0)
                raise self._failed("cannot be made", output.read().decode("utf-8", "replace"))

    def _check_version(self) -> None:
        try:
            version = (self._data / "PG_VERSION").read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            version = ""
        if not version:
            raise ConfigurationError(
                f"{self._data} is not a PostgreSQL data directory, or it is damaged: move it away, or restore a backup."
            )
        if version != str(MAJOR):
            raise ConfigurationError(
                f"{self._data} was made by PostgreSQL {version}, and this package brings PostgreSQL {MAJOR}: "
                f"make a backup with the version that made it and restore it into a new data directory."
            )

    def _configure(self, account: Account) -> None:
        socket_dir = self._choose_socket_dir(account)
        inside = socket_dir == self._data
        self._write("postgresql.conf", server_settings("." if inside else str(socket_dir)), account)
        self._write("pg_hba.conf", HBA, account)
        self._write("pg_ident.conf", owner_map(account), account)
        # We know that no server runs: what a killed one left would only block, as its number may be another's now.
        for remnant in ("postmaster.pid", f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self._data / remnant).unlink(missing_ok=True)
            (socket_dir / remnant).unlink(missing_ok=True)
        self._socket_record.write_text(str(socket_dir), "utf-8")

    def _write(self, name: str, text: str, account: Account) -> None:
        """Replaces a file of the data directory. It belongs to another account where we are root, which must not
        be led by a planted link to write elsewhere."""
        new = self._data / f"{name}.new"
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            if not account.is_ours:
                os.fchown(fd, account.uid, account.gid)
            file.write(text)
        new.replace(self._data / name)

    def _launch(self, programs: Path, account: Account, running: FileLock) -> int:
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_name("server.log.1"))
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            offset = os.fstat(log).st_size
            command = [str(programs / "postgres"), "-D", self._place(self._data, account)]
            process = self._spawn(command, self._data, account, running, log)
        finally:
            os.close(log)
        # Takes note of its end, whenever that is, so that it does not linger as a defunct process.
        threading.Thread(target=process.wait, name="embedded-postgres", daemon=True).start()
        return offset

    def _spawn(
        self, command: Sequence[str], folder: Path, account: Account, running: FileLock, output: int
    ) -> subprocess.Popen[bytes]:
        """Runs a program of the server in `folder`, in a session of its own: Ctrl-C is for us, not for the server.

        It inherits `running` and nothing else, neither descriptors nor the PG… variables of our environment.
        """
        try:
            return subprocess.Popen(  # noqa: S603  # our own program and arguments
                command,
                cwd=folder,
                env={"PATH": os.defpath, "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[running.fileno()],
                start_new_session=True,
                umask=0o077,
                **({} if account.is_ours else {"user": account.uid, "group": account.gid, "extra_groups": []}),
            )
        except OSError as exc:
            raise self._failed(f"cannot run {command[0]} as {account.name}", exc.strerror or str(exc)) from exc

    @staticmethod
    def _place(folder: Path, account: Account) -> str:
        """How the program names its data directory, in which it was put.

        PostgreSQL refuses to run as root, and another account may not be able to walk to a folder of root's. Neither
        are root's folders opened for it, nor does it get a right to pass them: it already stands where it works,
        and calls that place by a name that needs no walk.
        """
        return str(folder) if account.is_ours else CURRENT_FOLDER

    # -- the socket --------------------------------------------------------------------------------------------------

    def _choose_socket_dir(self, account: Account) -> Path:
        """In the data directory, which is closed to others; where its path is too long, in one as closed."""
        if _fits(self._data):
            return self._data
        outer = self._short_socket_dir()
        inner = outer / "s"
        outer.mkdir(mode=0o711, exist_ok=True)
        found = outer.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise ConfigurationError(f"{outer} is not ours: remove it, or set TMPDIR to another folder.")
        if not inner.exists():
            inner.mkdir(mode=0o700)
            if not account.is_ours:
                os.chown(inner, account.uid, account.gid)
        if not _fits(inner):
            raise ConfigurationError(f"The paths of {self._data} and {inner} are too long for a socket: set TMPDIR.")
        return inner

    def _short_socket_dir(self) -> Path:
        name = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"goalspace-{name}"

    def _remove_short_socket_dir(self) -> None:
        if self.socket_dir != self._data:
            with suppress(OSError):
                self.socket_dir.rmdir()
                self.socket_dir.parent.rmdir()

    # -- its database, its failures ----------------------------------------------------------------------------------

    def _ensure_database(self, connection: psycopg.Connection) -> None:
        try:
            if connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error as exc:
            raise self._failed("cannot make its database", str(exc)) from exc

    def _log_since(self, offset: int) -> str:
        with self._log.open("rb") as file:
            file.seek(offset)
            return file.read(LOG_BYTES).decode("utf-8", "replace")

    def _failed(self, what: str, output: str) -> ConfigurationError:
        """One line, with the most telling line of `output`."""
        full = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
        if any(text in output for text in full) or shutil.disk_usage(self._home).free < FULL_BYTES:
            return no_space(self._home)
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line] or lines
        reason = f": {telling[-1]}" if telling else "."
        return ConfigurationError(f"The embedded database in {self._home} {what}{reason}")


def no_space(folder: Path) -> ConfigurationError:
    return ConfigurationError(f"No space left in {folder}: the embedded database needs {NEEDED_MB} MB.")


def _fits(folder: Path) -> bool:
    """As the folder of a socket: short enough, and without the comma that would part it in two."""
    path = str(folder / f".s.PGSQL.{PORT}")
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES and "," not in path
