"""Text → chunks: pieces that follow the structure of a document and are long enough to be understood alone.

A chunk is a verbatim, contiguous slice of the text, so that a citation can point at it: offsets are code points.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

MAX_WORDS: Final = 180
"""With its headings, the most that the bundled embedder (256 tokens) takes in of English prose."""

FEW_WORDS: Final = 60
"""A section shorter than this says little alone: it stays together with its neighbours."""

PIECE_WORDS: Final = 45
"""What a text that is too long is cut into before it is put together again, so that the chunks come out even."""

MAX_WHOLE: Final = 300
"""Code and tables lose their meaning when they are cut, so they may be this long. The vector sees their beginning."""

MAX_SECTIONS: Final = 20
"""So many headings with hardly a word below them stay together."""

PAGE_BREAK: Final = "\f"
"""Between two pages of a document that has pages. No chunk stands on two of them."""

HEADING_SEPARATOR: Final = " › "
MAX_HEADING: Final = 400
"""Characters of a heading path. What is longer is no heading."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_LIST_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]")
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

_SENTENCE_END: Final = r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|(?<=[。！？।॥؟])"
_LINE_END: Final = r"\n+"
_LAST_RESORTS: Final = (r"\s+", r"\S{200}")
"""Between words; and inside what has no spaces at all."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is content[start:end]; `heading` the path of headings above it, outermost first; pages count from 1."""

    text: str
    start: int
    end: int
    heading: str | None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """A heading, a paragraph, a list, a table, a piece of code: content[start:end]."""

    start: int
    end: int
    size: int
    level: int = 0
    """1 to 6 for a heading."""
    title: str = ""
    whole: bool = False
    """Better not cut."""
    lines: bool = False
    """Where it has to be cut, then between lines."""


@dataclass(frozen=True, slots=True)
class _Section:
    """What stands under one heading, on one page."""

    path: tuple[str, ...]
    heading_start: int
    blocks: tuple[_Block, ...]
    page: int | None

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)


def split_into_chunks(content: str, *, structured: bool = True) -> list[Chunk]:
    """The chunks of `content` in order, without overlap; together they hold all that is not a heading.

    `structured`: the text is Markdown. Otherwise only blank lines divide it.
    Takes time in proportion to the text. Text of headings only is one chunk after another of headings.
    """
    blocks = list(_blocks(content, structured=structured))
    pages = _Pages(content)
    sections = list(_sections(blocks, pages))
    if not sections:  # headings and nothing below them
        alone = (replace(block, level=0) for block in blocks if block.title)
        sections = [_Section((), block.start, (block,), pages.at(block.start)) for block in alone]
    groups = _join_short_sections(sections)
    return [chunk for group in groups for chunk in _pack(content, group)]


def word_count(text: str) -> int:
    """Words, for measuring: three characters of a script without spaces count as two, an endless word as several."""
    unspaced = len(_UNSPACED.findall(text))
    words = len(_WORD.findall(text)) + (2 * unspaced) // 3
    return max(words, (len(text) - unspaced) // 12)


class _Pages:
    """Where each page after the first begins."""

    def __init__(self, content: str) -> None:
        self._breaks = [match.start() for match in re.finditer(PAGE_BREAK, content)]

    def at(self, offset: int) -> int | None:
        """The page of this place, from 1; None in a text without pages."""
        return bisect_right(self._breaks, offset) + 1 if self._breaks else None


# ── lines → blocks ───────────────────────────────────────────────────────────────────────────────


def _blocks(content: str, *, structured: bool) -> Iterator[_Block]:
    lines = _lines(content)
    at = 0
    while at < len(lines):
        start, end = lines[at]
        line = content[start:end]
        if not line.strip():
            at += 1
            continue
        if structured and (heading := _HEADING.match(line)):
            yield _heading(start, end, len(heading[1]), line[heading.end() :])
            at += 1
            continue
        if structured and (fence := _FENCE.match(line)):
            last = _end_of_fence(content, lines, at, fence[1])
            yield _block(content, start, lines[last][1], whole=True, lines=True)
            at = last + 1
            continue
        last = _end_of_paragraph(content, lines, at, structured=structured)
        second = content[slice(*lines[min(at + 1, last)])]
        if structured and last == at + 1 and _is_underline(second):
            yield _heading(start, lines[last][1], 1 if "=" in second else 2, line)
        else:
            is_table = structured and "|" in line and _is_table_rule(second)
            is_list = _LIST_ITEM.match(line) is not None
            yield _block(content, start, lines[last][1], whole=is_table, lines=is_table or is_list)
        at = last + 1


def _lines(content: str) -> list[tuple[int, int]]:
    """Start and end of each line, without its line break."""
    found = []
    start = 0
    for line in content.splitlines(keepends=True):
        found.append((start, start + len(line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"))))
        start += len(line)
    return found


def _end_of_fence(content: str, lines: Sequence[tuple[int, int]], at: int, fence: str) -> int:
    """The line that closes the code which begins at `at`; the last one where nothing does."""
    for number in range(at + 1, len(lines)):
        line = content[slice(*lines[number])].strip()
        if len(line) >= len(fence) and not line.strip(fence[0]):
            return number
    return len(lines) - 1


def _end_of_paragraph(content: str, lines: Sequence[tuple[int, int]], at: int, *, structured: bool) -> int:
    for number in range(at + 1, len(lines)):
        line = content[slice(*lines[number])]
        if not line.strip():
            return number - 1
        if structured and (_HEADING.match(line) or _FENCE.match(line)):
            return number - 1
        if structured and number == at + 1 and _is_underline(line):
            return number
    return len(lines) - 1


def _is_underline(line: str) -> bool:
    marks = line.strip()
    return len(marks) > 1 and (not marks.strip("=") or not marks.strip("-"))


def _is_table_rule(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip("|:- \t")


def _heading(start: int, end: int, level: int, title: str) -> _Block:
    return _Block(start, end, word_count(title), level, title.strip().rstrip("#").strip())


def _block(content: str, start: int, end: int, *, whole: bool, lines: bool) -> _Block:
    return _Block(start, end, word_count(content[start:end]), whole=whole, lines=lines)


# ── blocks → sections ────────────────────────────────────────────────────────────────────────────


def _sections(blocks: Iterable[_Block], pages: _Pages) -> Iterator[_Section]:
    """What stands under one heading. A heading with nothing of its own lives on in the paths of those below it.

    Where a page ends, its section does; the next page goes on under the same heading.
    """
    above: list[tuple[int, str]] = []
    heading_start: int | None = None
    inside: list[_Block] = []
    page = pages.at(0)
    for block in blocks:
        if inside and heading_start is not None and (block.level or pages.at(block.start) != page):
            yield _Section(tuple(title for _, title in above), heading_start, tuple(inside), page)
            inside, heading_start = [], None
        page = pages.at(block.start)
        if not block.level:
            if heading_start is None:
                heading_start = block.start
            inside.append(block)
            continue
        above = [entry for entry in above if entry[0] < block.level]
        if block.title:
            above.append((block.level, block.title))
        heading_start = block.start
    if inside and heading_start is not None:
        yield _Section(tuple(title for _, title in above), heading_start, tuple(inside), page)


def _join_short_sections(sections: Sequence[_Section]) -> Iterator[list[_Section]]:
    """Neighbours of which one is short, as long as all of them fit into one chunk and stand under one heading."""
    group: list[_Section] = []
    size = longest = shallowest = 0
    path: tuple[str, ...] = ()
    for section in sections:
        common = _common(path, section.path)
        fits = size + section.size <= MAX_WORDS * 2 // 3 and len(group) < MAX_SECTIONS
        short = section.size < FEW_WORDS or longest < FEW_WORDS
        related = len(common) + 1 >= min(shallowest, len(section.path)) and (not group or group[0].page == section.page)
        if group and not (fits and short and related):
            yield group
            group, size, longest = [], 0, 0
        shallowest = min(shallowest, len(section.path)) if group else len(section.path)
        path = common if group else section.path
        group.append(section)
        size += section.size
        longest = max(longest, section.size)
    if group:
        yield group


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]


# ── sections → chunks ────────────────────────────────────────────────────────────────────────────


def _pack(content: str, group: Sequence[_Section]) -> Iterator[Chunk]:
    if len(group) > 1:  # the headings stand inside of the chunk, but for the common ones
        path = reduce(_common, (section.path for section in group))
        start = group[0].blocks[0].start if group[0].path == path else group[0].heading_start
        yield _chunk(content, start, group[-1].blocks[-1].end, path, group[0].page)
        return
    (section,) = group
    parts = -(-section.size // MAX_WORDS) or 1
    pieces = section.blocks if parts == 1 else [piece for block in section.blocks for piece in _pieces(content, block)]
    left = sum(piece.size for piece in pieces)
    inside: list[_Block] = []
    size = 0
    for piece in pieces:
        even = left / parts  # equal chunks rather than full ones and a rest
        if inside and (size + piece.size > MAX_WORDS or (size + piece.size / 2 > even and parts > 1)):
            yield _chunk(content, inside[0].start, inside[-1].end, section.path, section.page)
            left, parts = left - size, max(parts - 1, 1)
            inside, size = [], 0
        inside.append(piece)
        size += piece.size
    yield _chunk(content, inside[0].start, inside[-1].end, section.path, section.page)


def _pieces(content: str, block: _Block) -> Iterator[_Block]:
    """The block, or where it is too long its parts, cut at the ends of sentences or lines where there are any."""
    if block.size <= (MAX_WHOLE if block.whole else PIECE_WORDS):
        yield block
        return
    for part in _splitter(block).create_documents([content[block.start : block.end]]):
        start = block.start + part.metadata["start_index"]
        yield _Block(start, start + len(part.page_content), word_count(part.page_content))


def _splitter(block: _Block) -> "RecursiveCharacterTextSplitter":
    # Only where it is needed: LangChain's splitters cost a server 7 MB.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        [*([_LINE_END, _SENTENCE_END] if block.lines else [_SENTENCE_END, _LINE_END]), *_LAST_RESORTS],
        is_separator_regex=True,
        keep_separator="end",
        add_start_index=True,
        chunk_size=MAX_WORDS if block.whole else PIECE_WORDS,
        chunk_overlap=0,
        length_function=_cost,
    )


def _cost(text: str) -> int:
    """Words, but never nothing: the splitter would repeat a part without words in the next piece."""
    return word_count(text) or len(text[:1])


def _chunk(content: str, start: int, end: int, path: Sequence[str], page: int | None) -> Chunk:
    text = content[start:end]
    lead = len(text) - len(text.lstrip())
    text = text.strip()
    heading = HEADING_SEPARATOR.join(path)[:MAX_HEADING].strip() or None
    return Chunk(text, start + lead, start + lead + len(text), heading, page)
