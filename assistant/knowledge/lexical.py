"""Text → the lexemes that the lexical index counts, and BM25's constants.

English: words without their endings (Snowball). Other languages that write spaces: four-letter pieces of words, which
need no stemmer and find the parts of compounds. Scripts without spaces: pairs of characters. Pieces carry a mark, so
that they never meet the words of an English text. Measured: docs/decisions/0008-lexemes-without-stemmers.md.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

from Stemmer import Stemmer

from assistant.knowledge.language import OTHER, UNKNOWN
from assistant.knowledge.small_words import ENGLISH_STOP_WORDS

K1: Final = 1.2
"""How soon a repeated word stops to count."""

B: Final = 0.75
"""How much a long chunk is held against it."""

PIECE: Final = 4
"""Letters of a piece: shorter ones are everywhere, longer ones miss the other forms of a word."""

MARK: Final = "~"

COUNTED_AS_WORDS: Final = ("en", UNKNOWN)
"""Languages of chunks whose lexemes are words: English, and what may be it. The database counts such chunks by itself
(migrations, private.count_new_chunks)."""

UNSPACED: Final = ("ja", "th", "zh")
"""Languages that write no spaces between words."""

MAX_LEXEME: Final = 64
"""Characters. What is longer is no word that anybody looks for."""

MAX_QUERY: Final = 300
"""Lexemes of a question that are looked up: those of a long paragraph."""

_MARKS: Final = "".join(chr(code) for code in range(0x300, 0x3100) if unicodedata.category(chr(code))[0] == "M")
"""Signs that belong to the letter before them: accents, the vowels of Indian scripts. `\\w` leaves them out."""

_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}])+(?:['’](?:[^\W_]|[{_MARKS}])+)*")
_ACCENTS = re.compile(r"[\u0300-\u036f\u064b-\u065f\u0640]")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")

_STOP_WORDS: Final = frozenset(ENGLISH_STOP_WORDS.split())

_stemmer = Stemmer("english", 0)
_stemming = Lock()


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the lexical index holds of a chunk."""

    counts: Counter[str]
    length: int
    """Words, or of a script without spaces pairs of characters: comparable whatever the lexemes are."""


def analyse(parts: Iterable[str], language: str) -> Analysis:
    """Count the lexemes of all parts together. Linear in the text."""
    counts: Counter[str] = Counter()
    length = 0
    for word in words(parts):
        found = _lexemes(word, language)
        counts.update(found)
        length += len(found) if _UNSPACED.search(word) else bool(found)
    return Analysis(counts, length)


def query_lexemes(texts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The lexemes of a question's texts with their weights: as words and as pieces, since a space's chunks may be
    counted either way. At most `MAX_QUERY` of them, the heaviest.

    The pieces of one word weigh together as much as the root of their number: more than a word that has but one form
    of it in the text, less than so many words.
    """
    weights: dict[str, float] = {}
    for text, weight in texts:
        for word in words((text,)):
            pieces = _lexemes(word, OTHER)
            share = weight if _UNSPACED.search(word) else weight / math.sqrt(len(pieces) or 1)
            for piece in pieces:
                weights[piece] = weights.get(piece, 0.0) + share
            for lexeme in () if _UNSPACED.search(word) else _lexemes(word, "en"):
                weights[lexeme] = weights.get(lexeme, 0.0) + weight
    return dict(sorted(weights.items(), key=lambda item: -item[1])[:MAX_QUERY])


def words(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        yield from _WORD.findall(_fold(part))


def _lexemes(word: str, language: str) -> list[str]:
    if language in COUNTED_AS_WORDS and not _UNSPACED.search(word):
        lexeme = _english(word)
        return [lexeme] if lexeme else []
    return list(_pieces(word))


def _fold(text: str) -> str:
    """Lower case, one form for each letter, and no accents: people leave them out."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text))).lower()


@lru_cache(maxsize=50_000)
def _english(word: str) -> str:
    """The stem of an English word; nothing for one that says nothing."""
    word = re.sub(r"['’]s$", "", word).replace("’", "'")
    if word in _STOP_WORDS or len(word) > MAX_LEXEME:
        return ""
    with _stemming:  # a stemmer is one object with a state of its own
        return str(_stemmer.stemWord(word))


def _pieces(word: str) -> Iterator[str]:
    start = 0
    for match in _UNSPACED.finditer(word):
        yield from _grams(word[start : match.start()], PIECE)
        yield from _grams(match[0], 2)
        start = match.end()
    yield from _grams(word[start:], PIECE)


def _grams(word: str, width: int) -> Iterator[str]:
    if word and len(word) <= width:
        yield MARK + word
        return
    for start in range(len(word) - width + 1):
        yield MARK + word[start : start + width]
