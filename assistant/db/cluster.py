"""One data directory of the embedded server: made, started, stopped. Its callers take turns (see `embedded.py`)."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from assistant.db.cluster_config import HBA, PORT, SUPERUSER, SYNC_METHOD, owner_map, server_settings
from assistant.db.cluster_files import SOCKET_NAME, choose_socket_dir, remove_socket_dir, write_anew
from assistant.db.filelock import FileLock, wait_until
from assistant.db.program import MAJOR, Programs, server_account
from assistant.errors import ConfigurationError

DATABASE = "goalspace"
READY_SECONDS = 120.0
"""A start after a crash replays up to `max_wal_size` of log first."""
STOP_SECONDS = 30.0
"""After that the server ends by itself, and whoever starts next waits for it."""
LOG_BYTES = 1_000_000
"""A longer log becomes `server.log.1` at the next start."""
NEW_MB = 100
"""A new database: 46 MB of files, and room for its log and the tables to come."""
START_MB = 32
"""Two segments of the log. With less the server starts, but fails at the next thing that it has to write."""
DISK_FULL = ("No space left on device", "Disk quota exceeded", "Check free disk space", "wrote only")
"""How the server's programs say it."""
PASSING = ("the database system is", "terminating connection")
"""Refusals of a server that starts, recovers or stops. All others would be the same the next time."""

INITDB_OPTIONS = [
    f"--username={SUPERUSER}",
    "--auth=peer",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    # The parser of full-text search asks the system's locale what a letter is.
    f"--lc-ctype={'C.UTF-8' if sys.platform == 'linux' else 'en_US.UTF-8'}",
    "--no-instructions",
    f"--sync-method={SYNC_METHOD}",  # everything is on disk before the new directory gets its name
]


class Cluster:
    """The server's files lie in `home`: `data`, its log, and the lock that all of its processes hold."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._data = home / "data"
        self._log = home / "server.log"
        self._socket_record = home / "socket_dir"

    @property
    def socket_dir(self) -> Path:
        """Where the server listens. Recorded, as it may depend on the environment of whoever started it."""
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
            beginning = self._start()
            if not self._answers():
                raise self._failure("does not start", self._log_since(beginning))

    def stop(self) -> None:
        """Ends the server if one runs: sessions are cut, everything committed is on disk."""
        pid = self._server_pid()
        if pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGINT)
        if wait_until(lambda: not self._is_alive(), STOP_SECONDS):
            remove_socket_dir(self.socket_dir, self._data)

    # -- is it there? ------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        """True: the server is ready. False: no process of it is left.

        In between it may be starting, recovering or stopping, or be the survivors of a killed one, which still have
        to notice: all of that is waited for.
        """
        ready = False
        refusal = ""

        def is_decided() -> bool:
            nonlocal ready, refusal
            if not self._is_alive():
                return True
            try:
                connection = psycopg.connect(self.url(SUPERUSER), autocommit=True, connect_timeout=5)
            except psycopg.OperationalError as exc:
                refusal = str(exc)
                if "FATAL:" in refusal and not any(phrase in refusal for phrase in PASSING):
                    raise self._failure("refuses us", refusal) from exc
                return False
            with connection:
                self._ensure_database(connection)
            ready = True
            return True

        if not wait_until(is_decided, READY_SECONDS):
            raise self._failure(f"has neither answered nor ended for {READY_SECONDS:.0f} s", refusal)
        return ready

    def _is_alive(self) -> bool:
        """Whether any process of the server is left. A process number could be anybody's by now; the lock cannot."""
        lock = FileLock(self._home / "running.lock")
        try:
            return not lock.try_exclusive()
        finally:
            lock.close()

    def _server_pid(self) -> int | None:
        """The process that listens on the socket, as the kernel knows it; None: nobody whom we could signal."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.socket_dir / SOCKET_NAME))
                if sys.platform == "linux":
                    peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                    pid: int = struct.unpack("3i", peer)[0]
                else:
                    pid = int((self._data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
            except (OSError, ValueError):
                return None
        return pid or None

    def _ensure_database(self, connection: psycopg.Connection) -> None:
        try:
            if connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error as exc:
            raise self._failure("cannot make its database", str(exc)) from exc

    # -- making and starting it --------------------------------------------------------------------------------------

    def _start(self) -> int:
        """Runs the server and returns where its part of the log begins."""
        needed = START_MB if self._data.exists() else NEW_MB
        if shutil.disk_usage(self._home).free < needed * 1_000_000:
            raise no_space(self._home, needed)
        programs = Programs(server_account(self._data))
        running = FileLock(self._home / "running.lock")
        try:
            alone = running.try_exclusive()
            assert alone, "it is our turn, and no process of the server is left"
            if not self._data.exists():
                self._make(programs, running)
            self._check_version()
            self._configure(programs)
            return self._launch(programs, running)
        finally:
            running.close()

    def _make(self, programs: Programs, running: FileLock) -> None:
        """A new data directory, which gets its name only when it is complete."""
        for leftover in self._home.glob("new-*"):
            shutil.rmtree(leftover)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self._home))
        try:
            programs.account.give(new)
            self._run_initdb(programs, new, running)
            new.rename(self._data)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def _run_initdb(self, programs: Programs, new: Path, running: FileLock) -> None:
        with tempfile.TemporaryFile() as output:
            process = programs.spawn("initdb", new, INITDB_OPTIONS, keep=running, output=output.fileno())
            try:
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            if code != 0:
                output.seek(0)
                raise self._failure("cannot be made", output.read().decode("utf-8", "replace"))

    def _check_version(self) -> None:
        try:
            version = (self._data / "PG_VERSION").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            version = ""
        if not version.isdecimal():
            raise ConfigurationError(
                f"{self._data} is not a PostgreSQL data directory, or it is damaged: move it away, or restore a backup."
            )
        if version != str(MAJOR):
            raise ConfigurationError(
                f"{self._data} was made by PostgreSQL {version}, and this package brings PostgreSQL {MAJOR}: make a "
                "backup with the version of this package that made it, and restore that into a new data directory."
            )

    def _configure(self, programs: Programs) -> None:
        account = programs.account
        socket_dir = choose_socket_dir(self._data, account)
        relative = "." if socket_dir == self._data else str(socket_dir)
        write_anew(self._data / "postgresql.conf", server_settings(relative), account)
        write_anew(self._data / "pg_hba.conf", HBA, account)
        write_anew(self._data / "pg_ident.conf", owner_map(account), account)
        # No server runs. What a killed one left would only block: its process number may be another's by now.
        for remnant in (self._data / "postmaster.pid", socket_dir / SOCKET_NAME, socket_dir / f"{SOCKET_NAME}.lock"):
            remnant.unlink(missing_ok=True)
        write_anew(self._socket_record, str(socket_dir), account)

    def _launch(self, programs: Programs, running: FileLock) -> int:
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_name("server.log.1"))
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            beginning = os.fstat(log).st_size
            process = programs.spawn("postgres", self._data, [], keep=running, output=log)
        finally:
            os.close(log)
        _reap(process)
        return beginning

    # -- what went wrong ---------------------------------------------------------------------------------------------

    def _log_since(self, beginning: int) -> str:
        with self._log.open("rb") as file:
            file.seek(beginning)
            return file.read(LOG_BYTES).decode("utf-8", "replace")

    def _failure(self, what: str, output: str) -> ConfigurationError:
        """One line, with the most telling line of `output`."""
        if _is_disk_full(output):
            return no_space(self._home, NEW_MB)
        complaints = re.findall(r"(?:FATAL|PANIC|error): +(.+)", output)
        telling = [line for line in complaints if not any(phrase in line for phrase in PASSING)] or output.splitlines()
        reason = telling[-1].strip(" .") if telling else "it says no more"
        return ConfigurationError(f"The embedded database in {self._home} {what}: {reason}.")


def no_space(folder: Path, needed_mb: int) -> ConfigurationError:
    return ConfigurationError(f"No space left in {folder}: the embedded database needs {needed_mb} MB.")


def _is_disk_full(text: str) -> bool:
    return any(phrase in text for phrase in DISK_FULL)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    """Takes note of the server's end, whenever that is: else it would stay in the process table until our own."""
    threading.Thread(target=process.wait, name="embedded-postgres", daemon=True).start()
