"""Texts → what a document holds. Files of other kinds become texts in `formats/`."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from assistant.errors import InvalidError, TooLargeError, UnsupportedError

Format = Literal[
    "markdown", "text", "html", "pdf", "docx", "pptx", "xlsx", "table", "epub", "notebook", "subtitles", "code"
]

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_CHARACTERS: Final = 2_000_000
MAX_TITLE: Final = 300

FEW_BYTES: Final = 40
"""With fewer bytes beyond ASCII any guess is as good as another, and Western Europe's is the commonest."""

PLAIN: Final = frozenset({"text", "code"})
"""Formats whose text is as it came, without Markdown's marks."""

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
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_DECLARED = re.compile(rb"""<meta[^>]{0,500}charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ud800-\udfff]")
_PAGE_BREAK = re.compile(r"\n*\f\n*")
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


def check_size(data: bytes) -> None:
    """Raises InvalidError (empty), TooLargeError."""
    if not data.strip():
        raise InvalidError("The file is empty.")
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")


def read_text(text: str, kind: Format, *, title: str | None = None, fallback_title: str = "Untitled") -> Extracted:
    """A text of this format. Raises InvalidError (nothing in it), TooLargeError."""
    own_title = None
    if kind == "html":
        # Imported late: parsing HTML takes 3 MB, and most texts are none.
        from assistant.knowledge.html import html_to_markdown

        own_title, text = html_to_markdown(text)
    return build(text, kind, title=title, own_title=own_title, fallback_title=fallback_title)


def build(
    content: str,
    kind: Format,
    *,
    title: str | None = None,
    own_title: str | None = None,
    fallback_title: str = "Untitled",
) -> Extracted:
    """A document of text that was read already: Markdown, but of `text` and `code`.

    It is called `title`, else what it calls itself, else `fallback_title`. Raises InvalidError, TooLargeError.
    """
    content = clean(content)
    if not content.strip():
        raise InvalidError("There is no text in it.", path="content")
    if len(content) > MAX_CHARACTERS:
        raise TooLargeError(f"The text is longer than {MAX_CHARACTERS:,} characters.")
    is_markdown = kind not in PLAIN
    if is_markdown and kind != "html" and (line := _TITLE_LINE.match(content.lstrip()[:1_000])):
        own_title = own_title or line[1].strip().rstrip("#").strip()
    named = " ".join((title or own_title or fallback_title).split())[:MAX_TITLE].strip() or "Untitled"
    return Extracted(named, content, kind, "markdown" if is_markdown and kind != "markdown" else None)


def parse_format(name: str) -> Format:
    """A format by one of its names or media types. Raises UnsupportedError."""
    found = _FORMATS.get(name.partition(";")[0].strip().lower())
    if found is None:
        raise UnsupportedError("content_type must be markdown, text or html.")
    return found


def clean(text: str) -> str:
    """Line breaks of one kind, and no characters that nobody sees and no column holds.

    A form feed is where a page ends, as it always was in texts: it stands on a line of its own.
    """
    text = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _PAGE_BREAK.sub("\n\n\f\n\n", text) if "\f" in text else text


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
