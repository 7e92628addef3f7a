"""What a question refers to: "and the second one?" is searched for together with the turns that it continues.

A question that stands alone is searched for alone: where the topic moved on, earlier turns only lead back to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from assistant.knowledge.language import detect_language
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
_GO_ON_WORDS: Final = """
    yes yeah yep yup sure ok okay k please go on ahead continue more further next again details detail elaborate
    example examples explain tell say show why how really exactly right correct true interesting first then and so no
    nope want like would
    ja jo jep klar gern gerne bitte weiter mach mehr genauer nochmal noch mal erzähl erzähle sag erkläre erklär beispiel
    beispiele warum wieso weshalb wirklich genau richtig stimmt nein und dann los näher
    sí si claro vale sigue continúa más detalles ejemplo ejemplos explica cuéntame dime favor adelante otra vez exacto
    oui ouais bien sûr d'accord continue continuez encore plus détails exemple exemples explique dis-m'en vas-y
    s'il plaît te vous suite
    sim claro continua mais sì certo avanti ancora ja graag verder meer
"""
_GO_ON: Final = frozenset(_GO_ON_WORDS.split())
"""Words of those who want to hear more of the same, in whichever language."""

_BESIDE_WORDS: Final = "and then first so want like would how show say tell right und dann noch mal sag te mas"
_BESIDE_IT: Final = frozenset(_BESIDE_WORDS.split())
"""Of these, those that do not say so by themselves."""

_UNSPACED_GO_ON: Final = frozenset(
    {"是", "是的", "好", "好的", "继续", "请继续", "对", "はい", "続けて", "もっと", "ええ"}
)

BARE_CHARACTERS: Final = 80
"""Nobody needs more to say "go on"."""

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
    answer = _end_of_last_answer(history)
    first = asked[0] if len(asked) > 1 else ""
    strong = closeness == "points back"
    weight = 0.2 if strong else 0.1
    return Context(
        texts=((asked[-1], weight), (answer, weight), (first, 1.5 * weight)),
        summary="\n".join(part for part in (asked[0], answer, question) if part),
        share=0.5 if strong else 0.25,
    )


def resume_search(question: str, history: Sequence[Turn], language: str) -> tuple[str, Sequence[Turn], str] | None:
    """What "yes", "go on" or "why?" asks to hear more of; None where `question` has something of its own to look for.

    The last question that had, the turns before it, and the end of the last answer: searched for again, they find the
    passages of the turn before, as far as they are there still and may still be seen.
    """
    if not _is_bare(question, language):
        return None
    for place in reversed(range(len(history))):
        speaker, text = history[place]
        if speaker == "user" and not _is_bare(text, detect_language(text, language)):
            return text[:TURN_CHARACTERS], history[:place], _end_of_last_answer(history[place:])
    return None


def leans(question: str, history: Sequence[Turn], language: str) -> bool:
    """Whether it cannot be understood without what was said before, though it asks for something of its own."""
    return bool(history) and not _is_bare(question, language) and _closeness(question, language) == "points back"


def _end_of_last_answer(history: Sequence[Turn]) -> str:
    last = next((text for speaker, text in reversed(history) if speaker == "assistant"), "")
    return " ".join(last[-TURN_CHARACTERS:].split()[-ANSWER_WORDS:])


def _is_bare(question: str, language: str) -> bool:
    """No word of it says what to look for."""
    if len(question) > BARE_CHARACTERS:
        return False
    if _UNSPACED.search(question):
        return question.strip(" 。？！") in _UNSPACED_GO_ON
    words = {word.lower() for word in _WORD.findall(question)}
    empty = _EMPTY_WORDS.get(language, frozenset()) | _POINTER_WORDS.get(language, frozenset())
    return words <= (empty | _GO_ON) and not words.isdisjoint(_GO_ON - _BESIDE_IT)


def _closeness(question: str, language: str) -> Literal["points back", "short", ""]:
    """How much a question leans on what was said before."""
    words = [word.lower() for word in _WORD.findall(question)]
    empty = _EMPTY_WORDS.get(language, frozenset())
    meaning = len({word for word in words if word not in empty}) + len(_UNSPACED.findall(question)) // 3
    points = not _POINTER_WORDS.get(language, frozenset()).isdisjoint(words)
    if points and meaning < MANY_WORDS:
        return "points back"
    return "short" if points or meaning <= FEW_WORDS else ""
