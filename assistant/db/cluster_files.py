"""Where the embedded server's socket lies, and files that are written into its folders."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from assistant.db.cluster_config import PORT
from assistant.db.program import Account
from assistant.errors import ConfigurationError

SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES = 103
"""The shortest limit among systems (macOS); Linux has 107."""


def choose_socket_dir(data: Path, account: Account) -> Path:
    """The data directory, which is closed to others; where its path is too long, a folder as closed elsewhere.

    Under a shared folder for temporary files somebody else may have taken the name: the outer folder must be ours,
    so that only we can have made the inner one, which belongs to the server.
    """
    if _fits(data):
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    outer = Path(tempfile.gettempdir()) / f"goalspace-{name}"
    inner = outer / "s"
    if not _fits(inner):
        raise ConfigurationError(f"The paths of {data} and {inner} are too long for a socket: set TMPDIR.")
    outer.mkdir(mode=0o711, exist_ok=True)
    found = outer.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise ConfigurationError(f"{outer} was made by somebody else: remove it, or set TMPDIR to another folder.")
    if found.st_uid == os.geteuid():
        outer.chmod(0o711)  # whatever the umask
    if not inner.exists():
        inner.mkdir(mode=0o700)
        account.give(inner)
    return inner


def remove_socket_dir(socket_dir: Path, data: Path) -> None:
    """Leaves nothing behind among the temporary files."""
    if socket_dir != data:
        with suppress(OSError):
            socket_dir.rmdir()
            socket_dir.parent.rmdir()


def write_anew(path: Path, text: str, account: Account) -> None:
    """Replaces a file of the server's. Its folder is another account's where we are root, which must not be led by
    a planted link to write elsewhere."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        account.give(fd)
        file.write(text)
    new.replace(path)


def _fits(folder: Path) -> bool:
    """Whether a client can name a socket in it: short enough, and without the comma that parts two hosts."""
    path = str(folder / SOCKET_NAME)
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES and "," not in path
