"""Sentences and word stems of a text, for comparing what an answer says with what a passage says.

Made for speed and for any language rather than for linguistics: a stem is a word without its commonest endings, cut to
a few letters, and Chinese or Japanese is compared by characters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Kind = Literal["prose", "heading", "code", "table"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of the text that it was found in, without the signs of a list in front of it."""

    start: int
    end: int
    kind: Kind


_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING: Final = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_ITEM: Final = re.compile(r"[ \t]*(?:>[ \t]*)*(?:[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,3}[.)][ \t]+)")
_QUOTE: Final = re.compile(r"[ \t]*(?:>[ \t]*)+")

_END: Final = re.compile(r"(?<![.!?…])[.!?…]++[\"'»”’)\]*_]*+(?=\s)|[。！？]++[」』”）]*+")
_ABBREVIATIONS: Final = re.compile(
    r"abb|bzw|ca|cf|chap|co|dr|ed|etc|evtl|exp|figs?|ggf|inc|jr|mrs?|ms|nr|prof|sec|sr|st|usw|vgl|vol|vs"
)
_MONTH: Final = re.compile(r"(?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez)[a-zä]*", re.IGNORECASE)

_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_ENDINGS: Final = re.compile(r"(?:ing|ed|ies|es|en|er|em|e|n|s|y)$")

STEM_LETTERS: Final = 7
"""Enough to tell most words apart, few enough that their endings rarely matter."""


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of Markdown or plain text, in order. Headings, table rows and code blocks are one each."""
    found: list[Sentence] = []
    for start, end, kind in _units(text):
        if kind == "prose":
            found += _split_prose(text, start, end)
        else:
            found.append(Sentence(start, end, kind))
    return found


def _units(text: str) -> Iterator[tuple[int, int, Kind]]:
    """Paragraphs, list items, headings, table rows and code blocks, by position."""
    open_start, open_end = -1, -1
    fence, fence_start = "", 0
    position = 0
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        bare = line.rstrip()
        end = start + len(bare)
        mark = _FENCE.match(bare)
        if fence:
            if mark and mark[1].startswith(fence) and not bare[mark.end() :].strip():
                yield fence_start, end, "code"
                fence = ""
            continue
        begins = mark or _HEADING.match(bare) or bare.lstrip().startswith("|") or _ITEM.match(bare)
        if open_start >= 0 and (begins or not bare):
            yield open_start, open_end, "prose"
            open_start = -1
        if mark:
            fence, fence_start = mark[1], start
        elif heading := _HEADING.match(bare):
            if start + heading.end() < end:
                yield start + heading.end(), end, "heading"
        elif bare.lstrip().startswith("|"):
            yield start, end, "table"
        elif bare:
            if open_start < 0:
                lead = _ITEM.match(bare) or _QUOTE.match(bare)
                open_start = start + (lead.end() if lead else len(bare) - len(bare.lstrip()))
            open_end = end
    if fence:
        yield fence_start, len(text.rstrip()), "code"
    elif open_start >= 0:
        yield open_start, open_end, "prose"


def _split_prose(text: str, start: int, end: int) -> Iterator[Sentence]:
    begin = start
    for stop in _END.finditer(text, start, end):
        if not _ends_sentence(text, begin, stop.start(), stop.end(), end):
            continue
        yield Sentence(begin, stop.end(), "prose")
        begin = _skip_space(text, stop.end(), end)
    if begin < end:
        yield Sentence(begin, end, "prose")


def _ends_sentence(text: str, begin: int, stop: int, after: int, end: int) -> bool:
    """Whether the sign at `stop` ends a sentence: a full stop may be that of an abbreviation, ordinal or initial."""
    follows = _skip_space(text, after, end)
    if text[follows:end][:1].islower():
        return False
    if text[stop] != "." or after == end:
        return True
    word = text[max(begin, stop - 14) : stop].rsplit(maxsplit=1)[-1:]
    before = word[0].lstrip("([\"'«„“").casefold() if word else ""
    if before.isdigit():
        return not _MONTH.match(text, follows, end)
    return not (
        _ABBREVIATIONS.fullmatch(before)
        or (len(before) == 1 and before.isalpha())
        or ("." in before and len(before) < 6)
    )


def _skip_space(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def stems(text: str) -> list[str]:
    """The stems of all words, in order, single Latin letters left out."""
    return [stem for word in _WORD.findall(text) if (stem := _stem(word))]


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    word = word.casefold()
    if len(word) == 1 and not (word.isdigit() or word >= "\u3040"):
        return ""
    if len(word) > 4 and not word.isdigit():
        word = _ENDINGS.sub("", word)
    return word[:STEM_LETTERS]
