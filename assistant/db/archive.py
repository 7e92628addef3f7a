"""A backup's file: one tar archive, written whole or not at all.

manifest.json     what the backup holds (`Manifest`)
database.dump     PostgreSQL's custom format
SHA256SUMS        of both; last, so that an archive that was cut off has none
"""

import hashlib
import os
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from assistant.db.contents import TableContents
from assistant.db.dump import PIECE_BYTES
from assistant.errors import AssistantError

MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
SUMS: Final = "SHA256SUMS"

MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024

FORMAT: Final = 1


class BackupError(AssistantError):
    """A backup that cannot be made or used. Nothing was changed."""

    code, title = "backup", "Backup"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. Everything in it was read in the snapshot that was dumped."""

    format: int
    made_at: str
    revision: str | None
    """None: the schema was not there."""
    server_version: int
    """As PostgreSQL counts: 180004."""
    dump_version: int
    """The major version of the `pg_dump` that wrote the dump."""
    owner: str
    """The role that made it, to whom the tables belonged."""
    lacks_auth: bool
    """Whether an identity provider keeps `auth`, which is not in it then."""
    extensions: dict[str, str]
    """Those that the schema uses, and the schemas that they lie in."""
    roles: list[str]
    """All that own something or have a right."""
    definer_functions: list[str]
    """Functions of the role that definer functions belong to."""
    tables: dict[str, TableContents]
    schema: dict[str, str]
    """A hash of each object's description (assistant/db/catalogue.py)."""

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block is left in order, complete and on disk. Its owner's alone (0600).

    Raises BackupError where there is a file of that name.
    """
    if path.exists():
        raise BackupError(f"{path} is there already; nothing was written.")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_archive(file: IO[bytes], manifest: Manifest, dump: Iterator[bytes]) -> None:
    """The dump's length is known only at its end: its header is written then, in the place that was left for it."""
    described = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    _write_member(file, MANIFEST, described)
    place = file.tell()
    file.write(bytes(tarfile.BLOCKSIZE))
    digest, size = hashlib.sha256(), 0
    for piece in dump:
        digest.update(piece)
        size += len(piece)
        file.write(piece)
    file.write(bytes(-size % tarfile.BLOCKSIZE))
    end = file.tell()
    file.seek(place)
    file.write(_header(DUMP, size))
    file.seek(end)
    sums = f"{hashlib.sha256(described).hexdigest()}  {MANIFEST}\n{digest.hexdigest()}  {DUMP}\n"
    _write_member(file, SUMS, sums.encode())
    file.write(bytes(2 * tarfile.BLOCKSIZE))


def _write_member(file: IO[bytes], name: str, content: bytes) -> None:
    file.write(_header(name, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)  # which can say more than 8 GiB in the same 512 bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup that was found whole."""

    path: Path
    manifest: Manifest
    _offset: int
    _size: int

    def dump(self) -> Iterator[bytes]:
        """The dump, piece by piece."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            left = self._size
            while left and (piece := file.read(min(left, PIECE_BYTES))):
                left -= len(piece)
                yield piece


def read_archive(path: Path) -> Archive:
    """Reads all of it, and compares its checksums. Raises BackupError where anything is amiss, OSError."""
    with path.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                members = {member.name: member for member in tar.getmembers()}
        except (tarfile.TarError, EOFError) as exc:
            raise BackupError(f"{path} is no backup, or it is damaged: {exc}. Nothing was changed.") from exc
        if members.keys() != {MANIFEST, DUMP, SUMS}:
            raise BackupError(f"{path} is no backup, or it is cut off. Nothing was changed.")
        described = _content(file, members[MANIFEST], MAX_MANIFEST_BYTES)
        sums = _content(file, members[SUMS], 1000).decode("utf-8", "replace")
        found = {MANIFEST: hashlib.sha256(described).hexdigest(), DUMP: _digest(file, members[DUMP])}
    for name, digest in found.items():
        if f"{digest}  {name}\n" not in sums:
            raise BackupError(f"{path} is damaged: {name} is not what was written. Nothing was changed.")
    try:
        manifest = msgspec.json.decode(described, type=Manifest)
    except msgspec.ValidationError as exc:
        raise BackupError(f"{path} was made by another version of this package: {exc}. Nothing was changed.") from exc
    if manifest.format != FORMAT:
        raise BackupError(f"{path} has format {manifest.format}; this version reads {FORMAT}. Nothing was changed.")
    return Archive(path, manifest, members[DUMP].offset_data, members[DUMP].size)


def _content(file: IO[bytes], member: tarfile.TarInfo, most: int) -> bytes:
    file.seek(member.offset_data)
    return file.read(min(member.size, most))


def _digest(file: IO[bytes], member: tarfile.TarInfo) -> str:
    file.seek(member.offset_data)
    digest, left = hashlib.sha256(), member.size
    while left and (piece := file.read(min(left, PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()
