"""Files and posted texts → text with structure. What a file is, its content says; its name is a hint."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from assistant.errors import InvalidError, TooLargeError, UnsupportedError

Format = Literal["markdown", "text", "html"]

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_CHARACTERS: Final = 2_000_000
MAX_TITLE: Final = 300

FEW_BYTES: Final = 40
"""With fewer bytes beyond ASCII any guess is as good as another, and Western Europe's is the commonest."""

_FORMATS: Final[dict[str, Format]] = {
    "markdown": "markdown",
    "md": "markdown",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text": "text",
    "txt": "text",
    "plain": "text",
    "text/plain": "text",
    "html": "html",
    "text/html": "html",
    "application/xhtml+xml": "html",
}
_BY_SUFFIX: Final[dict[str, Format]] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdown": "markdown",
    ".mkd": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
SUFFIXES: Final = frozenset({*_BY_SUFFIX, ".txt", ".text"})
"""What is taken from a folder. A file that is named itself may be called anything."""

_SIGNATURES: Final = (
    (b"%PDF-", "A PDF"),
    (b"PK\x03\x04", "A ZIP archive or Office document"),
    (b"\xd0\xcf\x11\xe0", "An old Office document"),
    (b"{\\rtf", "An RTF document"),
    (b"\x1f\x8b", "A gzip archive"),
    (b"BZh", "A bzip2 archive"),
    (b"7z\xbc\xaf", "A 7z archive"),
    (b"Rar!", "A RAR archive"),
    (b"\x89PNG", "A PNG image"),
    (b"\xff\xd8\xff", "A JPEG image"),
    (b"GIF8", "A GIF image"),
    (b"RIFF", "A media file"),
    (b"ID3", "An MP3 file"),
    (b"OggS", "An Ogg file"),
    (b"\x7fELF", "A program"),
    (b"MZ\x90", "A program"),
    (b"SQLite format 3", "A database"),
)
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_HTML_BEGINS = re.compile(
    r"(?:<\?xml[^>]{0,500}\?>)?\s{0,1000}(?:<!--.{0,10000}?-->\s{0,1000}){0,10}<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML_BEGINS = re.compile(r"\s{0,1000}<(?:\?xml|svg|!doctype\s+svg)\b", re.IGNORECASE)
_DECLARED = re.compile(rb"""<meta[^>]{0,500}charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")
_TITLE_LINE = re.compile(r"[ ]{0,3}#[ \t]+(.+)")


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a document's columns hold. `content` is Markdown or plain text, whatever came in."""

    title: str
    content: str
    content_type: Format
    """What came in."""
    content_format: Literal["markdown"] | None
    """What `content` is, where that is something else."""


def read_file(data: bytes, name: str) -> Extracted:
    """The text of a file. Its title is what it calls itself, else its name.

    Raises InvalidError (empty), TooLargeError, UnsupportedError (not a text, or a format that nobody here reads).
    """
    if not data.strip():
        raise InvalidError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    for signature, what in _SIGNATURES:
        if data.startswith(signature):
            raise UnsupportedError(f"{what} cannot be read; Markdown, plain text and HTML can.")
    text = decode(data)
    path = PurePath(name.replace("\\", "/"))
    kind: Format = _BY_SUFFIX.get(path.suffix.lower(), "text")
    if _HTML_BEGINS.match(text):
        kind = "html"
    elif kind != "html" and _XML_BEGINS.match(text):
        raise UnsupportedError("XML cannot be read; Markdown, plain text and HTML can.")
    return read_text(text, kind, fallback_title=path.stem or path.name or "Untitled")


def read_text(text: str, kind: Format, *, title: str | None = None, fallback_title: str = "Untitled") -> Extracted:
    """A text that was posted as this format. Raises InvalidError (nothing in it), TooLargeError."""
    own_title = None
    content = text
    if kind == "html":
        # Imported late: parsing HTML takes 3 MB, and most texts are none.
        from assistant.knowledge.html import html_to_markdown

        own_title, content = html_to_markdown(text)
    content = clean(content)
    if not content.strip():
        raise InvalidError("There is no text in it.", path="content")
    if len(content) > MAX_CHARACTERS:
        raise TooLargeError(f"The text is longer than {MAX_CHARACTERS:,} characters.")
    if kind == "markdown" and (line := _TITLE_LINE.match(content.lstrip()[:1_000])):
        own_title = line[1].strip().rstrip("#").strip()
    named = " ".join((title or own_title or fallback_title).split())[:MAX_TITLE].strip() or "Untitled"
    return Extracted(named, content, kind, "markdown" if kind == "html" else None)


def parse_format(name: str) -> Format:
    """A format by one of its names or media types. Raises UnsupportedError."""
    found = _FORMATS.get(name.partition(";")[0].strip().lower())
    if found is None:
        raise UnsupportedError("content_type must be markdown, text or html.")
    return found


def clean(text: str) -> str:
    """Line breaks of one kind, and no characters that nobody sees and no column holds."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def decode(data: bytes) -> str:
    """Text from bytes: by its mark, by what it declares, as UTF-8, else by what it looks like.

    Raises UnsupportedError for what is no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decode(data, encoding)
    if b"\0" in data[:65_536]:
        raise UnsupportedError("This is not a text file.")
    declared = _DECLARED.search(data[:2_048])
    encodings = ["utf-8", *([declared[1].decode("ascii")] if declared else [])]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return _guess(data)


def _guess(data: bytes) -> str:
    sample = data[:200_000]
    if sum(byte > 0x7F for byte in sample) < FEW_BYTES:
        return data.decode("cp1252", "replace")
    # Imported late: it takes 4 MB, and nearly all texts are UTF-8.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_exclusion=["utf_16_be", "utf_16_le", "utf_32_be", "utf_32_le"]).best()
    if best is None:
        raise UnsupportedError("This is not a text file, or one in an unknown encoding.")
    return _decode(data, best.encoding)


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise UnsupportedError("This is not a text file, or it is damaged.") from exc
