"""ZIP files, and what is made of them: opened only where what is inside stays within bounds."""

import lzma
import re
import zipfile
import zlib
from io import BytesIO
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from assistant.errors import InvalidError, TooLargeError, UnsupportedError

MAX_ENTRIES: Final = 5_000
MAX_UNPACKED: Final = 200 * 1024 * 1024
MAX_RATIO: Final = 100
SMALL: Final = 10 * 1024 * 1024
"""What is no more than this when it is unpacked may be packed as tightly as it likes."""

_DECLARES = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_DAMAGE: Final = (
    *(BadZipFile, zipfile.LargeZipFile, NotImplementedError, KeyError, ValueError, EOFError, OSError),
    *(zlib.error, lzma.LZMAError),
)
"""What is raised of an archive that is none, or none any more."""

ENCRYPTED: Final = 0x1


def open_package(data: bytes) -> ZipFile:
    """The archive, checked by its table of contents; that it does not lie, `zipfile` sees to when it unpacks.

    Raises InvalidError (damaged), TooLargeError, UnsupportedError (encrypted).
    """
    try:
        package = ZipFile(BytesIO(data))
        entries = package.infolist()
    except _DAMAGE as exc:
        raise InvalidError("The file is damaged: it ends too early, or was changed on its way.") from exc
    if len(entries) > MAX_ENTRIES:
        raise TooLargeError(f"The archive holds {len(entries):,} files; at most {MAX_ENTRIES:,} are read.")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED or unpacked > max(SMALL, MAX_RATIO * len(data)):
        raise TooLargeError(
            f"Unpacked, the file takes {unpacked // 1024 // 1024:,} MiB; at most {MAX_UNPACKED // 1024 // 1024} MiB and"
            f" {MAX_RATIO} times its own size are read."
        )
    if any(entry.flag_bits & ENCRYPTED for entry in entries):
        raise UnsupportedError("The archive is encrypted; unpack it with its password first.")
    return package


def read_entry(package: ZipFile, entry: str | ZipInfo) -> bytes:
    """One file of it. Raises InvalidError where it is damaged or missing."""
    try:
        return package.read(entry)
    except _DAMAGE as exc:
        raise InvalidError("A part of the file is damaged or missing.") from exc


def refuse_declarations(package: ZipFile) -> None:
    """Office documents declare no types and entities of their own: only bombs do. Raises UnsupportedError."""
    for entry in package.infolist():
        if entry.filename.endswith((".xml", ".rels")) and _DECLARES.search(read_entry(package, entry)):
            raise UnsupportedError("The document's XML declares entities of its own, which no document has to.")
