"""Files and folders → documents of a space. A file that was put in before gets a new version, or stays as it is."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import InvalidError, NotFoundError, TooLargeError, UnsupportedError
from assistant.knowledge import repository, service
from assistant.knowledge.extraction import MAX_BYTES, Extracted
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.formats.reading import SUFFIXES
from assistant.knowledge.service import Entry

Change = Literal["added", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's document. It is in search when its indexing is settled."""

    document_id: UUID
    change: Change


def find_files(place: str) -> Iterator[Path]:
    """The file of that name, or in a folder all that can be read by their names, sorted.

    Hidden files and folders are passed over, and links, which may lead out of the folder. Raises NotFoundError,
    InvalidError (a folder without any), and UnsupportedError for an address.
    """
    if place.lower().startswith(("http://", "https://")):
        raise UnsupportedError("addresses are not fetched; save the page and give its file")
    path = Path(place)
    if path.is_file():
        yield path
        return
    if not path.exists():
        raise NotFoundError("there is no such file or folder")
    found = False
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and not file.is_symlink():
                found = True
                yield file
    if not found:
        raise InvalidError("there is no file in this folder that can be read")


async def read_path(path: Path, readers: Readers) -> tuple[Extracted, str]:
    """The file's text, and where it lies. Raises InvalidError, TooLargeError, UnsupportedError, OSError."""
    data, source = await asyncio.to_thread(_load, path)
    return await readers.read(data, path.name), source


def _load(path: Path) -> tuple[bytes, str]:
    if path.stat().st_size > MAX_BYTES:
        raise TooLargeError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    return path.read_bytes(), path.resolve().as_posix()


async def store_file(session: AsyncSession, space_id: UUID, extracted: Extracted, source: str) -> Stored:
    """Put a file into a space, as the person whose session it is. Where it is the same, a failed try is made again."""
    before = await service.find_by_source(session, space_id, source)
    if before is None:
        entry = await service.add_extracted(session, space_id, extracted, source=source)
        return Stored(entry.document.id, "added")
    if not _is_same(before, extracted):
        entry = await service.replace_extracted(session, before.document.id, extracted)
        return Stored(entry.document.id, "changed")
    if before.indexing.status in ("failed", "quarantined"):
        await repository.index_again(session, before.document.id)
    return Stored(before.document.id, "unchanged")


def _is_same(entry: Entry, extracted: Extracted) -> bool:
    document = entry.document
    return (document.title, document.content, document.content_type, document.content_format) == (
        extracted.title,
        extracted.content,
        extracted.content_type,
        extracted.content_format,
    )
