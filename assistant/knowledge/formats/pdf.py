"""PDF → Markdown, page by page. What is larger than the text is a heading; what stands on every page is left out."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pypdfium2 as pdfium
from pypdfium2 import raw

from assistant.errors import InvalidError, TooLargeError, UnsupportedError
from assistant.knowledge.formats.markdown import escape, heading

MAX_PAGES: Final = 500
LEGIBLE: Final = 2.0
"""Points of height. Nobody reads smaller print, so it was not written for people."""

HEADING_HEIGHT: Final = 1.12
"""Times the height of the text."""

MAX_HEADING: Final = 150
MAX_LEVELS: Final = 4
PARAGRAPH_GAP: Final = 1.7
"""Times the height of a line: from one line to the next, where another paragraph begins."""

FULL_LINE: Final = 0.8
"""Of the width of the text: a shorter line ends a paragraph or an item."""

FEW_PAGES: Final = 4
"""With fewer of them, nothing can be said to stand on every page."""

IMAGE_NOTE: Final = "*(This page is an image; its text is not known.)*"

_SOFT_HYPHENS: Final = "\x02\xad\ufffe"
_ITEM = re.compile(r"(?:[•◦▪‣·–*-]|\(?\w{1,3}[.)])\s")
_BULLET = re.compile(r"^[•◦▪‣·]\s*")
_DIGITS = re.compile(r"\d+")
_NO_TITLE = re.compile(
    r"^untitled|^microsoft (?:word|powerpoint|excel) - |\.(?:docx?|pptx?|tex|dvi|indd|qxd|pdf)$|^\W*$|^slide \d"
    r"|^powerpoint presentation$",
    re.IGNORECASE,
)
"""What programs suggest as a title."""


_Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""


@dataclass(frozen=True, slots=True)
class _Word:
    """Between the places of its first and its last character."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    left: float
    bottom: float
    right: float
    height: float


def read_pdf(data: bytes) -> tuple[str | None, str]:
    """Its title, if it has one, and its text with a form feed between pages.

    Raises InvalidError (damaged, no text), TooLargeError, UnsupportedError (encrypted).
    """
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as exc:
        if exc.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise UnsupportedError("The PDF is encrypted; save it without its password first.") from exc
        raise InvalidError("The PDF is damaged: it ends too early, or was changed on its way.") from exc
    count = len(document)
    if count > MAX_PAGES:
        raise TooLargeError(f"The PDF has {count:,} pages; at most {MAX_PAGES} are read.")
    pages = [_read_page(document, number) for number in range(count)]
    if not any(lines for lines, _ in pages):
        raise InvalidError(
            "The PDF has no text, only images of it, as from a scanner. Have its text recognised (OCR) first."
            if any(is_image for _, is_image in pages)
            else "There is no text in the PDF."
        )
    kept = _without_running_heads([lines for lines, _ in pages])
    levels = _levels(kept)
    texts = ("\n\n".join(_blocks(lines, levels)) for lines in kept)
    notes = (IMAGE_NOTE if is_image and not lines else "" for lines, is_image in pages)
    title = document.get_metadata_value("Title").strip()
    markdown = "\n\n\f\n\n".join(text or note for text, note in zip(texts, notes, strict=True))
    return None if _NO_TITLE.search(title) else title, markdown


def _read_page(document: pdfium.PdfDocument, number: int) -> tuple[list[_Line], bool]:
    """Its lines, and whether there is an image on it. A page that is damaged is empty."""
    try:
        page = document[number]
    except pdfium.PdfiumError:
        return [], False
    text_page = page.get_textpage()
    box = page.get_bbox()
    lines = list(_lines(text_page, box))
    is_image = not lines and any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))
    text_page.close()
    page.close()
    return lines, is_image


def _lines(text_page: pdfium.PdfTextPage, page: _Box) -> Iterator[_Line]:
    """In the order of the file, which is nearly always that of reading."""
    words: list[_Word] = []
    start = 0
    letters: list[str] = []
    count = text_page.count_chars()
    for index in range(count + 1):
        character = chr(raw.FPDFText_GetUnicode(text_page, index)) if index < count else "\n"
        if not character.isspace():
            if not letters:
                start = index
            letters.append(character)
            continue
        if letters:
            words.append(_Word("".join(letters), start, index - 1))
            letters = []
        if character in "\r\n" and words:
            yield from _line(text_page, words, page)
            words = []


def _line(text_page: pdfium.PdfTextPage, words: Sequence[_Word], page: _Box) -> Iterator[_Line]:
    """The words that somebody sees, if any: not those that are too small or beside the page."""
    boxes = [text_page.get_charbox(word.first, loose=True) for word in words]
    seen = [number for number, box in enumerate(boxes) if _is_seen(box, page)]
    if not seen:
        return
    left, bottom, _, _ = boxes[seen[0]]
    _, low, _, high = boxes[seen[len(seen) // 2]]
    right = text_page.get_charbox(words[seen[-1]].last, loose=True)[2]
    yield _Line(" ".join(words[number].text for number in seen), left, bottom, right, high - low)


def _is_seen(box: _Box, page: _Box) -> bool:
    left, bottom, right, top = box
    return top - bottom >= LEGIBLE and right > page[0] and left < page[2] and top > page[1] and bottom < page[3]


def _without_running_heads(pages: Sequence[list[_Line]]) -> list[list[_Line]]:
    """Without the first or last lines that most pages share, but for the number of the page."""
    if len(pages) < FEW_PAGES:
        return list(pages)
    heads = Counter(_shape(lines[0]) for lines in pages if lines)
    feet = Counter(_shape(lines[-1]) for lines in pages if len(lines) > 1)
    most = 0.6 * sum(1 for lines in pages if lines)
    kept = []
    for lines in pages:
        start = 1 if lines and heads[_shape(lines[0])] > most else 0
        end = len(lines) - 1 if len(lines) > start + 1 and feet[_shape(lines[-1])] > most else len(lines)
        kept.append(lines[start:end])
    return kept


def _shape(line: _Line) -> str:
    return _DIGITS.sub("0", line.text)


def _levels(pages: Sequence[Sequence[_Line]]) -> dict[float, int]:
    """Heights of headings → their levels. The height of most characters is that of the text."""
    sizes = Counter[float]()
    for line in (line for lines in pages for line in lines):
        sizes[_size(line)] += len(line.text)
    if not sizes:
        return {}
    text = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size > text * HEADING_HEIGHT), reverse=True)
    return {size: min(number, MAX_LEVELS) for number, size in enumerate(larger, 1)}


def _size(line: _Line) -> float:
    return round(line.height * 2) / 2


def _blocks(lines: Sequence[_Line], levels: dict[float, int]) -> Iterator[str]:
    """Headings and paragraphs."""
    width = max((line.right for line in lines), default=0.0)
    block: list[_Line] = []
    for line in lines:
        if block and _begins_block(block[-1], line):
            yield _block(block, levels, width)
            block = []
        block.append(line)
    if block:
        yield _block(block, levels, width)


def _begins_block(before: _Line, line: _Line) -> bool:
    fall = before.bottom - line.bottom
    return (
        abs(_size(line) - _size(before)) > 0.1 * line.height
        or fall > PARAGRAPH_GAP * line.height
        or fall < -line.height  # the next column
    )


def _block(lines: Sequence[_Line], levels: dict[float, int], width: float) -> str:
    level = levels.get(_size(lines[0]))
    if level is not None:
        text = " ".join(line.text for line in lines)
        if len(text) <= MAX_HEADING and any(map(str.isalpha, text)):
            return heading(level, text)
    text = lines[0].text
    for before, line in pairwise(lines):
        if text[-1:] in _SOFT_HYPHENS:
            text = text[:-1] + line.text
        else:
            flows = before.right >= FULL_LINE * width and not _ITEM.match(line.text)
            text += (" " if flows else "\n") + line.text
    return escape("\n".join(_BULLET.sub("- ", line) for line in text.split("\n")))
