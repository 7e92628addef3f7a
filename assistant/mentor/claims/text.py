"""An answer → its sentences and their clauses, with what the mentor does not say itself taken out of them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from assistant.mentor.claims.vocabulary import CODE, TITLE
from assistant.mentor.sentences import split_sentences

CLAUSE_CHARACTERS: Final = 1000
"""A clause is cut here. Patterns look at each word's neighbours only, so that this bounds nothing but a single step."""

# Quotation marks within a line of each other: an opening one that is never closed quotes nothing. Single ones are
# apostrophes, too, and count between spaces only. Each alternative stops at its own opening sign: linear time.
_ASIDE: Final = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^\n]*(?:\n(?![ ]{0,3}(?P=fence))[^\n]*)*+(?:\n[ ]{0,3}(?P=fence)[`~]*)?"
    r"|^[ \t]*>[^\n]*"
    r"|(?P<code>`[^`\n]{1,300}`)"
    r"|(?P<said>\"[^\"\n]{1,2000}\"|“[^“”]{1,2000}”|„[^„“”\n]{1,2000}[“”]|«[^«»]{1,4000}»|‹[^‹›\n]{1,300}›"
    r"|(?<![^\s(])['‘][^'‘’\n]{1,200}['’](?!\w))",
    re.MULTILINE,
)
_NOT_SPACE: Final = re.compile(r"\S")
_SEPARATOR: Final = re.compile(r"(?:[,;:()\[\]{}–—!?…|→·•¡¿]|(?<!\d)\.(?=\s|$))+|\s-\s")
_MARK: Final = re.compile(r"\[\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*\](?!\()")


@dataclass(frozen=True, slots=True)
class Clause:
    """`text[start:end]` of the masked text, between two signs."""

    start: int
    end: int
    asks: bool
    """It ends a question, or is all of one."""
    exclaims: bool
    first: bool
    """Of its sentence."""


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence."""

    start: int
    end: int
    clauses: list[Clause]
    cited: bool
    """It has a mark, so it tells what a document says."""
    asks: bool


def compose(text: str) -> str:
    """The text with each letter and its accent as one character, as words are listed."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def mask(text: str) -> str:
    """Text of the same length, without code blocks and quoted lines, and with a sign for each character of a title."""
    return _ASIDE.sub(_masked, text)


def _masked(aside: re.Match[str]) -> str:
    if aside["said"] or aside["code"]:
        return (TITLE if aside["said"] else CODE) * len(aside[0])
    return _NOT_SPACE.sub(" ", aside[0])


def sentences(masked: str) -> Iterator[Said]:
    for sentence in split_sentences(masked):
        if sentence.kind in ("prose", "heading"):
            words = masked[sentence.start : sentence.end]
            asks = words.rstrip(" \t\r\n*_\"'»”)").endswith("?")
            clauses = list(_clauses(masked, sentence.start, sentence.end))
            yield Said(sentence.start, sentence.end, clauses, bool(_MARK.search(words)), asks)


def _clauses(masked: str, start: int, end: int) -> Iterator[Clause]:
    begin, first, asking = start, True, False
    while begin < end:
        sign = _SEPARATOR.search(masked, begin, min(end, begin + CLAUSE_CHARACTERS))
        stop, after = (sign.start(), sign.end()) if sign else (min(end, begin + CLAUSE_CHARACTERS),) * 2
        signs = sign[0] if sign else ""
        if not masked[begin:stop].isspace() and begin < stop:
            yield Clause(begin, stop, asking or "?" in signs, "!" in signs, first)
            first = False
        asking = "¿" in signs or (asking and "?" not in signs)
        begin = after
