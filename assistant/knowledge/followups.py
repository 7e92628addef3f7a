"""What a question refers to: "and the second one?" is searched for together with the turns that it continues.

A question that stands alone is searched for alone: where the topic moved on, earlier turns only lead back to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from assistant.knowledge.small_words import ENGLISH_STOP_WORDS, SMALL_WORDS

Turn = tuple[Literal["user", "assistant"], str]
"""Who said it, and what."""

FEW_WORDS: Final = 3
"""A question with no more words that mean something hardly stands alone."""

MANY_WORDS: Final = 6
"""One with so many does, even if one of them points back."""

ANSWER_WORDS: Final = 60
"""Of the last answer, its end: what it led to is what is asked about."""

TURN_CHARACTERS: Final = 2_000
"""Of an earlier turn, the part that is looked at."""

_POINTERS: Final = {
    "en": """it its this that these those they them their theirs he him his she her hers there here one ones same such
        former latter another other others else then so above""",
    "de": """es er sie ihn ihm ihr ihre ihren sein seine seinen dieser diese dieses diesen das dort da davon dazu damit
        darüber daraus dafür jene jener andere anderen letztere selbe""",
    "fr": """il elle ils elles lui leur leurs son sa ses ce cela ça celui celle ceux celles cette ces y en là autre
        autres""",
    "es": """él ella ellos ellas ello lo la los las le les su sus esto eso este esta ese esa estos esas allí ahí otro
        otra otros""",
    "pt": "ele ela eles elas isso isto este esta esse essa seu sua seus suas lá ali outro outra outros",
    "it": "lui lei loro esso essa essi ciò questo questa quello quella suo sua suoi lì ne altro altra altri",
    "nl": "hij zij hem haar hun dit dat deze die het daar ervan ermee daarvan andere",
}
_POINTER_WORDS: Final = {language: frozenset(words.split()) for language, words in _POINTERS.items()}
_EMPTY_WORDS: Final = {
    **{language: frozenset(words.split()) for language, words in SMALL_WORDS.items()},
    "en": frozenset(ENGLISH_STOP_WORDS.split()),
}
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Context:
    """Earlier words that are searched for with a question."""

    texts: tuple[tuple[str, float], ...]
    """With the weight of their words, where those of the question weigh 1."""
    summary: str
    """For the vector: where the conversation began and where it stands, and the question."""
    share: float
    """Of the summary's vector, where the question's has the rest."""


def find_context(question: str, history: Sequence[Turn], language: str) -> Context | None:
    """What `question` continues; None where it begins something or stands alone. `history` is oldest first.

    How the weights were found: docs/decisions/0007-follow-up-questions.md.
    """
    asked = [text[:TURN_CHARACTERS] for speaker, text in history if speaker == "user"]
    if not asked:
        return None
    closeness = _closeness(question, language)
    if not closeness:
        return None
    answers = [text for speaker, text in history if speaker == "assistant"]
    answer = " ".join(answers[-1][-TURN_CHARACTERS:].split()[-ANSWER_WORDS:]) if answers else ""
    first = asked[0] if len(asked) > 1 else ""
    strong = closeness == "points back"
    weight = 0.2 if strong else 0.1
    return Context(
        texts=((asked[-1], weight), (answer, weight), (first, 1.5 * weight)),
        summary="\n".join(part for part in (asked[0], answer, question) if part),
        share=0.5 if strong else 0.25,
    )


def _closeness(question: str, language: str) -> Literal["points back", "short", ""]:
    """How much a question leans on what was said before."""
    words = [word.lower() for word in _WORD.findall(question)]
    empty = _EMPTY_WORDS.get(language, frozenset())
    meaning = len({word for word in words if word not in empty}) + len(_UNSPACED.findall(question)) // 3
    points = not _POINTER_WORDS.get(language, frozenset()).isdisjoint(words)
    if points and meaning < MANY_WORDS:
        return "points back"
    return "short" if points or meaning <= FEW_WORDS else ""
