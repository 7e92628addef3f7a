"""A real standby: a copy of an embedded cluster that follows its log, made by the server's own tools."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from assistant.db.cluster_config import PORT, SUPERUSER
from assistant.db.embedded import EmbeddedServer, open_embedded
from assistant.db.filelock import FileLock, wait_until
from assistant.db.program import Account, Programs, installed_programs, server_account

FOLLOWER = "follower"


@contextmanager
def open_primary(data_dir: Path) -> Iterator[EmbeddedServer]:
    """An embedded cluster with a second socket, in a folder that a standby can walk to whoever it runs as."""
    door = Path(tempfile.mkdtemp(prefix="primary-"))
    cluster = open_embedded(data_dir)
    server_account(data_dir / "postgres" / "data").give(door)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        row = connection.execute("show unix_socket_directories").fetchone()
        assert row is not None
        first = str(row[0]).strip('"')
        connection.execute(f"alter system set unix_socket_directories = '{first}', '{door}'".encode())
    cluster.close()
    cluster = open_embedded(data_dir)
    try:
        yield cluster
    finally:
        with suppress(psycopg.OperationalError), psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("alter system reset unix_socket_directories")
        cluster.close()
        shutil.rmtree(door)


class Standby:
    """Follows `primary`, whose data lie in `files`, from `start` on."""

    def __init__(self, primary: EmbeddedServer, files: Path, folder: Path) -> None:
        self._primary = primary
        self._files = files
        self.folder = folder
        """Its socket lies here."""
        self._data = folder / "data"
        self._log = folder / "standby.log"
        self._lock = FileLock(folder / "lock")
        account = server_account(files)
        self._programs = Programs(account)
        self._copy(account)
        self._process = self.start()

    def url(self, database: str = EmbeddedServer.database) -> str:
        """As the superuser."""
        return f"postgresql://{SUPERUSER}@:{PORT}/{database}?host={self.folder}"

    def execute(self, statement: str) -> object:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row and row[0]

    def follows(self) -> None:
        """Wait until it has replayed all that the primary has written by now."""
        with psycopg.connect(self._primary.url, autocommit=True) as connection:
            row = connection.execute("select pg_current_wal_lsn()::text").fetchone()
        assert row is not None
        assert wait_until(lambda: bool(self.execute(f"select pg_last_wal_replay_lsn() >= '{row[0]}'")), 20)

    def start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            options = ["-c", f"unix_socket_directories={self.folder}", "-c", "cluster_name=standby"]
            process = self._programs.spawn("postgres", self._data, options, keep=self._lock, output=log.fileno())
        assert wait_until(self._answers, 30), self._log.read_text()
        self._process = process
        return process

    def promote(self) -> None:
        with self._log.open("ab") as log:
            done = self._programs.spawn("pg_ctl", self._data, ["promote"], keep=self._lock, output=log.fileno())
        assert done.wait() == 0, self._log.read_text()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def _copy(self, account: Account) -> None:
        with psycopg.connect(self._primary.url, autocommit=True) as connection:
            connection.execute(f"create role {FOLLOWER} login replication password 'secret'")
            hba = self._files / "pg_hba.conf"
            hba.write_text(f"local replication {FOLLOWER} scram-sha-256\n{hba.read_text()}")
            connection.execute("select pg_reload_conf()")
            row = connection.execute("show unix_socket_directories").fetchone()
        assert row is not None
        door = str(row[0]).rpartition(",")[2].strip().strip('"')
        address = f"host={door} port={PORT} user={FOLLOWER} password=secret"
        program = installed_programs() / "pg_basebackup"
        options = ["-d", address, "-D", str(self._data), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        done = subprocess.run([program, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if not account.is_ours:
            for place in (self._data.parent, self._data, *self._data.rglob("*")):
                os.chown(place, account.uid, account.gid, follow_symlinks=False)


@contextmanager
def standby_of(primary: EmbeddedServer, data_dir: Path) -> Iterator[Standby]:
    folder = Path(tempfile.mkdtemp(prefix="standby-"))  # a short path, for the socket
    standby = Standby(primary, data_dir / "postgres" / "data", folder)
    try:
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder)
