"""Which language a text is in, as far as search needs to know: by its script, and by its commonest small words.

Enough to tell English from what an English embedder knows nothing of. A statistical detector names rare languages
better, and takes 76 MB (docs/decisions/0008-lexemes-without-stemmers.md).
"""

import re
from typing import Final

from assistant.knowledge.small_words import SMALL_WORDS

UNKNOWN: Final = "und"
"""ISO 639-2 for a text that does not say: names, code, a few words, all in Latin letters."""

OTHER: Final = "mis"
"""ISO 639-2 for a language without a code: here any that is not English and has no name below."""

_SAMPLE: Final = 4_000
"""Characters that are looked at. More of a text does not change the answer."""

_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ar", re.compile(r"[\u0600-\u06ff\u0750-\u077f]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    (OTHER, re.compile(r"[\u0530-\u058f\u0980-\u0dff\u0e80-\u10ff\u1200-\u139f\u1780-\u17ff]")),
)
"""One language for each script that is not Latin: the most read one. Kana before Han, since Japanese has both."""

_LATIN: Final = re.compile(r"[a-zA-Z\u00c0-\u024f\u1e00-\u1eff]")
_ACCENTED: Final = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_SPOKEN_IN: Final = {
    word: tuple(language for language, words in SMALL_WORDS.items() if word in words.split())
    for words in SMALL_WORDS.values()
    for word in words.split()
}


def detect_language(text: str, default: str = UNKNOWN) -> str:
    """ISO 639-1 code of the language that most of `text` is in, or `default` where it does not say.

    Takes time in proportion to at most its first 4,000 characters.
    """
    sample = text[:_SAMPLE]
    latin = len(_LATIN.findall(sample))
    others = {language: len(script.findall(sample)) for language, script in _SCRIPTS}
    # One character of a script without letters is a syllable or a word: it weighs as much as several Latin letters.
    if 3 * sum(others.values()) > latin:
        if others["ja"] and 10 * others["ja"] >= others["zh"]:
            return "ja"
        return max(others, key=lambda language: others[language])
    return _by_small_words(sample.lower(), default)


def _by_small_words(text: str, default: str) -> str:
    words = set(_WORD.findall(text.replace("’", "'")))  # each once: a text about Los Angeles is not Spanish
    votes: dict[str, float] = {}
    for word in words:
        languages = _SPOKEN_IN.get(word, ())
        for language in languages:  # a word of many languages says little for each of them
            votes[language] = votes.get(language, 0.0) + 1 / len(languages)
    best = max(votes, key=lambda language: votes[language], default=default)
    # Foreign names stand in the middle of a text: a word or two of theirs decide nothing.
    needed = max(votes.get(default, 0.0) + 0.3, len(words) / 40, 1.2 if default == UNKNOWN else 0.0)
    if votes.get(best, 0.0) >= needed:
        return best
    accented = len(_ACCENTED.findall(text))
    return OTHER if default == UNKNOWN and accented > 1 and 50 * accented > len(_LATIN.findall(text)) else default
