"""EPUB → Markdown: its chapters in their order, each read as the page that it is."""

from posixpath import dirname, join, normpath
from typing import Final
from urllib.parse import unquote

from assistant.errors import InvalidError, UnsupportedError
from assistant.knowledge.extraction import decode
from assistant.knowledge.formats.packages import open_package, read_entry
from assistant.knowledge.formats.xml import parse_xml
from assistant.knowledge.html import html_to_markdown

_PAGES: Final = frozenset({"application/xhtml+xml", "text/html"})
_FONTS: Final = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")
"""How fonts are disguised. Any other encryption is there to keep the text from being read."""


def read_book(data: bytes) -> tuple[str | None, str]:
    """Its title, if it has one, and its text. Raises InvalidError (damaged), UnsupportedError (protected)."""
    package = open_package(data)
    names = set(package.namelist())
    if "META-INF/encryption.xml" in names:
        encryption = read_entry(package, "META-INF/encryption.xml")
        if encryption.count(b"EncryptionMethod") > sum(2 * encryption.count(font) for font in _FONTS):
            raise UnsupportedError("The book is protected against copying; its text cannot be read.")
    container = parse_xml(read_entry(package, "META-INF/container.xml"))
    place = container.find(".//{*}rootfile")
    if place is None:
        raise InvalidError("The book is damaged: it does not say where its text is.")
    index = place.get("full-path") or ""
    book = parse_xml(read_entry(package, index))
    files = {
        item.get("id"): normpath(join(dirname(index), unquote(item.get("href") or "")))
        for item in book.iterfind(".//{*}manifest/{*}item")
        if item.get("media-type") in _PAGES
    }
    chapters = []
    for reference in book.iterfind(".//{*}spine/{*}itemref"):
        name = files.get(reference.get("idref"))
        if name in names and name is not None:
            chapters.append(html_to_markdown(decode(read_entry(package, name)))[1])
    title = book.findtext(".//{http://purl.org/dc/elements/1.1/}title")
    return (title or "").strip() or None, "\n\n".join(filter(None, chapters))
