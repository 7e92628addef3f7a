"""Whether a learner asks for an action, as far as words tell."""

import re
from typing import Final

from assistant.mentor.claims.languages import LANGUAGES
from assistant.mentor.claims.text import compose, mask
from assistant.mentor.claims.vocabulary import Language, split_words

READ: Final = 2000
"""Characters of a message: a request comes soon, and what is pasted behind it is none."""

SHORT: Final = 4
"""Words of a reply that says nothing but yes."""

_SENTENCE: Final = re.compile(r"[^.!?¿¡\n]+")
_JOINING: Final = frozenset({"and", "but", "so", "und", "aber", "y", "pero", "et", "mais"})


def asks_to_act(message: str) -> bool:
    """Whether some sentence asks for an action, or agrees to one.

    "Did you add it?" asks what was done, "Add an example" for another answer.
    """
    sentences = (split_words(sentence[0]) for sentence in _SENTENCE.finditer(mask(compose(message)[:READ])))
    return any(_asks(words) for words in sentences if words)


def _asks(words: list[str]) -> bool:
    """In the language in which fewest words are unknown; it may be several."""
    while words[0] in _JOINING and len(words) > 1:
        words = words[1:]
    read = [(language, [word.tag for word, _ in language.tag(words)]) for language in LANGUAGES]
    fewest = min(tags.count(".") for _, tags in read)
    return any(_asks_in(language, words, tags) for language, tags in read if tags.count(".") == fewest)


def _asks_in(language: Language, words: list[str], tags: list[str]) -> bool:
    if words[0] in language.asking:
        return False
    if words[0] in language.agreeing and len(words) <= SHORT:
        return True
    return not language.orders.isdisjoint(words) and ("C" not in tags or not set("NF").isdisjoint(tags))
