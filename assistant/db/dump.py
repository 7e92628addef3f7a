"""PostgreSQL's own `pg_dump` and `pg_restore`: which of them fits a server, and how they are run."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from assistant.db.engine import libpq_url
from assistant.db.program import installed_programs
from assistant.errors import AssistantError, ConfigurationError

PIECE_BYTES: Final = 1024 * 1024

Program = Literal["pg_dump", "pg_restore"]


class ProgramError(AssistantError):
    """`pg_dump` or `pg_restore` failed; `detail` has what it said."""

    code, title = "backup", "Backup"


def find_program(name: Program, major: int) -> tuple[Path, int]:
    """One of at least this major version, and its version: the package's own, else what is in PATH.

    Raises ConfigurationError.
    """
    found = {}
    for path in _candidates(name):
        version = _major(path)
        if version >= major:
            return path, version
        found[str(path)] = version
    there = ", ".join(f"{path} is of version {version}" for path, version in found.items()) or "there is none"
    raise ConfigurationError(
        f"This needs {name} of PostgreSQL {major} or newer ({there}): install the client programs of that version."
    )


def _candidates(name: Program) -> Iterator[Path]:
    with suppress(ConfigurationError):
        yield installed_programs() / name
    if (in_path := shutil.which(name)) is not None:
        yield Path(in_path)


def _major(path: Path) -> int:
    """0 where it does not say."""
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
        if match := re.search(r"\(PostgreSQL\) (\d+)", said.stdout):
            return int(match[1])
    return 0


@contextmanager
def running(program: Path, options: Sequence[str], *, url: str | None = None) -> Iterator[IO[bytes]]:
    """Its output as it comes. Leaving the block early ends it; leaving it in order raises ProgramError if it failed.

    With `url` it connects there; the password stands in its environment, which only its own account can read.
    """
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - found by us, and our own options
            [program, *options, *_address(url)],
            env=_environment(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        assert process.stdout is not None, "it is a pipe"
        try:
            yield process.stdout
            process.stdout.close()
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        _check(program, code, complaints)


@contextmanager
def reading(program: Path, options: Sequence[str], source: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """The same for a program that reads `source`, and may have enough of it before its end."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(  # noqa: S603 - as above
            [program, *options],
            env=_environment(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        feeder = threading.Thread(target=_feed, args=(source, process.stdin), daemon=True)
        feeder.start()
        try:
            yield process.stdout
            process.stdout.close()
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            feeder.join()
            process.stdout.close()
        _check(program, code, complaints)


def _feed(source: Iterator[bytes], into: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        for piece in source:
            into.write(piece)
    with suppress(BrokenPipeError):
        into.close()


def _check(program: Path, code: int, complaints: IO[bytes]) -> None:
    if code != 0:
        complaints.seek(0)
        lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
        telling = [line for line in lines if "error:" in line] or lines[-1:]
        reason = telling[0].partition("error:")[2].strip() or telling[0] if telling else f"exit code {code}"
        raise ProgramError(f"{program.name} failed: {reason}")


def _address(url: str | None) -> list[str]:
    if url is None:
        return []
    parts = conninfo_to_dict(libpq_url(url))
    parts.pop("password", None)
    return [f"--dbname={make_conninfo('', **parts)}", "--no-password"]


def _environment(url: str | None) -> dict[str, str]:
    """Ours without PG… variables that would change what is dumped; the ways to a password stay."""
    kept = {"PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSWORD"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG") or name in kept}
    password = conninfo_to_dict(libpq_url(url)).get("password") if url is not None else None
    return ours | ({"PGPASSWORD": str(password)} if password else {}) | {"LC_ALL": "C"}
