"""Files, folders, archives and addresses → documents of a space.

What was put in before gets a new version, or stays as it is.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import urlsplit
from uuid import UUID
from zipfile import ZipFile, ZipInfo

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import AssistantError, InvalidError, NotFoundError, TooLargeError, UnsupportedError
from assistant.knowledge import repository, service
from assistant.knowledge.extraction import MAX_BYTES, Extracted, Format
from assistant.knowledge.fetching import Fetcher
from assistant.knowledge.formats.packages import open_package, read_entry
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.formats.reading import SUFFIXES, is_archive
from assistant.knowledge.service import Entry

Change = Literal["added", "changed", "unchanged"]

MAX_SITE_MAPS: Final = 50
"""Of an index of them."""

_SITE_MAP_WITHIN: Final = 2_000
"""Bytes in which a site map says that it is one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's document. It is in search when its indexing is settled."""

    document_id: UUID
    change: Change


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or a page of the web. `source` is what it is known by when it comes again."""

    source: str
    name: str
    data: bytes
    is_web_page: bool = False


class Gatherer:
    """Finds what is to be put in, one after the other: not all of a folder's files are in memory at once."""

    def __init__(self, readers: Readers, fetcher: Fetcher) -> None:
        self._readers = readers
        self._fetcher = fetcher

    async def gather(self, place: str) -> AsyncIterator[tuple[str, Found | str]]:
        """What is at a place, each with the name to show: or why there is nothing to be had, in a sentence.

        A place is a file, a folder, an address, or the address of a site map; the files of archives are taken one by
        one. In a folder it is all that can be read, by their names; hidden ones are passed over, and links, which may
        lead out of it.
        """
        try:
            if is_address(place):
                async for found in self._fetch(place):
                    yield found
                return
            for path in await asyncio.to_thread(lambda: list(find_files(place))):
                async for found in self._open(path):
                    yield found
        except AssistantError as exc:
            yield place, exc.detail

    async def read(self, found: Found, owner: Hashable = None) -> Extracted:
        """Its text. Raises InvalidError, TooLargeError, UnsupportedError, ReadersBusyError."""
        return await self._readers.read(found.data, found.name, owner=owner, is_web_page=found.is_web_page)

    async def read_text(
        self, text: str, kind: Format, *, title: str | None = None, owner: Hashable = None
    ) -> Extracted:
        """The same of a text of which is known what it is. Raises InvalidError, TooLargeError, ReadersBusyError."""
        return await self._readers.read_text(text, kind, title=title, owner=owner)

    async def fetch(self, address: str) -> Found:
        """One page. Raises InvalidError, TooLargeError."""
        page = await self._fetcher.fetch(address)
        return Found(page.address, page.name, page.data, is_web_page=True)

    async def _open(self, path: Path) -> AsyncIterator[tuple[str, Found | str]]:
        try:
            data, source = await asyncio.to_thread(_load, path)
            async for found in self._unpack(str(path), Found(source, path.name, data)):
                yield found
        except AssistantError as exc:
            yield str(path), exc.detail
        except OSError as exc:
            yield str(path), exc.strerror or type(exc).__name__

    async def _unpack(self, shown: str, found: Found) -> AsyncIterator[tuple[str, Found | str]]:
        """The files of an archive; anything else as it is. Raises InvalidError, TooLargeError, UnsupportedError."""
        if not await asyncio.to_thread(is_archive, found.data):
            yield shown, found
            return
        package = open_package(found.data)
        entries = [entry for entry in package.infolist() if _is_wanted(entry)]
        if not entries:
            raise InvalidError("There is no file in this archive that can be read.")
        for entry in entries:
            yield f"{shown}!/{entry.filename}", await asyncio.to_thread(_extract, package, entry, found.source)

    async def _fetch(self, address: str) -> AsyncIterator[tuple[str, Found | str]]:
        page = await self.fetch(address)
        if not is_site_map(page.data):
            async for found in self._unpack(address, page):
                yield found
            return
        links = await self._readers.read_site_map(page.data)
        if b"<sitemapindex" in page.data[:_SITE_MAP_WITHIN]:
            maps = [link for link in links if _is_same_site(link, address)][:MAX_SITE_MAPS]
            links = []
            for each in maps:
                try:
                    links += await self._links(each)
                except AssistantError as exc:
                    yield each, exc.detail
        pages = [link for link in dict.fromkeys(links) if _is_same_site(link, address)]
        if not pages:
            raise InvalidError("The site map names no page of its own site.")
        for link in pages:
            try:
                yield link, await self.fetch(link)
            except AssistantError as exc:
                yield link, exc.detail

    async def _links(self, address: str) -> list[str]:
        page = await self.fetch(address)
        return await self._readers.read_site_map(page.data)


def is_address(place: str) -> bool:
    return place.lower().startswith(("http://", "https://"))


def is_site_map(data: bytes) -> bool:
    head = data[:_SITE_MAP_WITHIN]
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and (b"<urlset" in head or b"<sitemapindex" in head)


def _is_same_site(link: str, address: str) -> bool:
    """A site map speaks for its own site only."""
    return is_address(link) and urlsplit(link).netloc.lower() == urlsplit(address).netloc.lower()


def find_files(place: str) -> Iterator[Path]:
    """The file of that name, or in a folder all that can be read by their names, sorted.

    Raises NotFoundError, InvalidError (a folder without any).
    """
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


def _load(path: Path) -> tuple[bytes, str]:
    if path.stat().st_size > MAX_BYTES:
        raise _too_large()
    return path.read_bytes(), path.resolve().as_posix()


def _is_wanted(entry: ZipInfo) -> bool:
    """As in a folder. An archive inside is named, so that it can be said that it is not read."""
    path = PurePosixPath(entry.filename)
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not entry.is_dir() and not is_hidden and path.suffix.lower() in SUFFIXES


def _extract(package: ZipFile, entry: ZipInfo, source: str) -> Found | str:
    try:
        if entry.file_size > MAX_BYTES:
            raise _too_large()
        data = read_entry(package, entry)
        if is_archive(data):
            raise UnsupportedError("An archive inside of an archive is not read.")
    except AssistantError as exc:
        return exc.detail
    return Found(f"{source}!/{entry.filename}", PurePosixPath(entry.filename).name, data)


def _too_large() -> TooLargeError:
    return TooLargeError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")


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
