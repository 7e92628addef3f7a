"""Whether a learner asks for an action, as far as words tell."""

import re
from typing import Final

from assistant.mentor.claims.languages import LANGUAGES
from assistant.mentor.claims.text import compose
from assistant.mentor.claims.vocabulary import split_words

READ: Final = 2000
"""Characters of a message: a request comes soon, and what is pasted behind it is none."""

_SENTENCE: Final = re.compile(r"[^.!?\n]+")
_JOINING: Final = frozenset({"and", "but", "so", "und", "aber", "y", "pero", "et", "mais"})


def asks_to_act(message: str) -> bool:
    """Whether some sentence has a word for an action, or agrees to one; "Did you add it?" asks what was done."""
    return any(_asks(split_words(sentence[0])) for sentence in _SENTENCE.finditer(compose(message)[:READ]))


def _asks(words: list[str]) -> bool:
    while words and words[0] in _JOINING:
        words = words[1:]
    return any(
        not language.orders.isdisjoint(words) and words[0] not in language.asking for language in LANGUAGES if words
    )
