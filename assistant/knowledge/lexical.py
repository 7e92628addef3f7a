"""Text → the lexemes that the lexical index counts, and BM25's constants.

English: words without their endings (Snowball). Other languages that write spaces: four-letter pieces of words, which
need no stemmer and find the parts of compounds. Scripts without spaces: pairs of characters. Pieces carry a mark, so
that they never meet the words of an English text.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from threading import Lock
from typing import Final

from Stemmer import Stemmer

from assistant.knowledge.language import UNKNOWN
from assistant.knowledge.small_words import ENGLISH_STOP_WORDS

K1: Final = 1.2
"""How soon a repeated word stops to count."""

B: Final = 0.75
"""How much a long chunk is held against it."""

PIECE: Final = 4
"""Letters of a piece: shorter ones are everywhere, longer ones miss the other forms of a word."""

MARK: Final = "~"

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


def lexemes(text: str, language: str) -> Iterator[str]:
    """The lexemes of `text` in their order, each as often as it stands there. Linear in the text."""
    for word in _WORD.findall(_fold(text)):
        if language == "en" and not _UNSPACED.search(word):
            if lexeme := _english(word):
                yield lexeme
        else:
            yield from _pieces(word)


def count_lexemes(parts: Iterable[str], language: str) -> Counter[str]:
    """How often each lexeme stands in all of the parts together."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(lexemes(part, language))
    return counts


def query_lexemes(texts: Iterable[tuple[str, float]], language: str) -> dict[str, float]:
    """The lexemes of a question in `language` with their weights: as words and as pieces, since chunks of the space
    may be counted either way. At most `MAX_QUERY` of them, the heaviest.
    """
    weights: dict[str, float] = {}
    for text, weight in texts:
        counts = count_lexemes((text,), UNKNOWN)
        if language == "en":
            counts.update(count_lexemes((text,), "en"))
        for lexeme, count in counts.items():
            weights[lexeme] = weights.get(lexeme, 0.0) + weight * count
    return dict(sorted(weights.items(), key=lambda item: -item[1])[:MAX_QUERY])


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
