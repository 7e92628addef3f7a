"""A clause in tags: one letter for what each word or phrase does in it, so that a pattern of a sentence is a short one.

S I, we                       V a verb of acting, in the past      N something that is acted on: a task, a goal
H have, with such a subject   L such a verb that says I by itself  F a part of it: its due date, its priority
B has been, was               Q one that says it, behind `s` (se)  C part of an answer: a summary, an example
E is, stands                  R one in the infinitive, behind G    T a title in quotes
n now                         G have just                          P it, this, all
X not, no                     M could, will, want to               I if, when, after
U you, somebody else          r that, which                        y by
A words that say nothing      d the, your, new                     # a number
p to, on                      c as                                 K complete, high, 50 %
& and                         D done                               W on Monday, in May
Z approve, waiting            b below                              w yesterday, earlier          h has now
e every, any                         j ya: now, or already         . any other word
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

Kind = Literal["created", "changed", "completed", "deleted", "sent", "done"]
"""What is said to have been done; `done` where only that is said."""

Object = Literal["goal", "task", "progress", "module", "document", "it", "other"]
"""To what: `it` where that is not said, `other` for what no tool changes."""

TITLE: Final = "\ue000"
"""Stands for each character of a title. Private to this package, so a text means nothing by it."""

CODE: Final = "\ue001"
"""Stands for each character of code."""

_WORD: Final = re.compile(rf"[^\W\d_]+|\d+|%|{TITLE}+|{CODE}+")


class Word(NamedTuple):
    """What a word or phrase is, and what it means where that matters: a Kind, an Object, a number."""

    tag: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Where a clause in tags says that the mentor acted.

    A group for each way of saying it: v, w, x, y, q, k for the verb, o, i, f, l for the object; l is a list that it was
    put on. Repetitions are bounded, so that no clause takes longer than its length.
    """

    active: re.Pattern[str]
    """I have created a task."""
    passive: re.Pattern[str]
    """A task has been created."""
    resting: re.Pattern[str]
    """The task is (now) created."""
    placed: re.Pattern[str]
    """The task is now on your list."""
    elliptic: re.Pattern[str]
    """Task created."""


@dataclass(frozen=True, slots=True)
class Language:
    """Words and patterns of a language."""

    code: str
    words: Mapping[str, Word]
    """By phrase: words in lower case with one space between; an apostrophe separates words, too."""
    patterns: Patterns
    orders: frozenset[str]
    """Words by which somebody asks for an action."""
    agreeing: frozenset[str]
    """First words of a short reply by which somebody agrees to one."""
    asking: frozenset[str]
    """First words of a question that wants to know something."""
    imperatives: frozenset[str] = frozenset()
    """Verbs that tell somebody to act as well as that somebody acted."""
    verb_last: bool = False
    """The object stands in front of the verb."""
    endings: Mapping[str, Word] = field(default_factory=dict)
    """Last parts of compounds."""
    triggers: frozenset[str] = field(init=False)
    """First words of which one is in each clause that claims anything."""
    starts: frozenset[str] = field(init=False)
    """First words of phrases of several words."""
    longest: int = field(init=False)
    """Words of the longest phrase."""

    def __post_init__(self) -> None:
        telling = {phrase for phrase, word in self.words.items() if word.tag in "VLQRDn" or word.meaning == "list"}
        object.__setattr__(self, "triggers", frozenset(phrase.split()[0] for phrase in telling))
        object.__setattr__(self, "longest", max(len(phrase.split()) for phrase in self.words))
        object.__setattr__(self, "starts", frozenset(phrase.split()[0] for phrase in self.words if " " in phrase))

    def tag(self, words: Sequence[str]) -> list[tuple[Word, int]]:
        """The clause's words and phrases, the longest that are known, each with the place of its first word."""
        tagged: list[tuple[Word, int]] = []
        at = 0
        while at < len(words):
            found, length = self._longest(words, at)
            tagged.append((found, at))
            at += length
        return tagged

    def _longest(self, words: Sequence[str], at: int) -> tuple[Word, int]:
        first = words[at]
        if first in self.starts:
            for length in range(self.longest, 1, -1):
                if known := self.words.get(" ".join(words[at : at + length])):
                    return known, min(length, len(words) - at)
        return self.words.get(first) or self._unlisted(first), 1

    def _unlisted(self, word: str) -> Word:
        if word[0] == TITLE:
            return Word("T")
        if word[0].isdecimal():
            if len(word) == 4 and "1000" <= word < "2200":
                return Word("W")
            return Word("#", word[:4])
        for ending, meant in self.endings.items():
            if word.endswith(ending):
                return meant
        return Word(".")


def split_words(clause: str) -> list[str]:
    return [match[0].casefold() for match in _WORD.finditer(clause)]


def build_words(
    tags: Mapping[str, str],
    verbs: Mapping[Kind, str],
    nouns: Mapping[str, str],
    numbers: Sequence[str],
    *,
    first_person: Mapping[Kind, str] | None = None,
    third_person: Mapping[Kind, str] | None = None,
    infinitives: Mapping[Kind, str] | None = None,
) -> dict[str, Word]:
    """The words of a language, from rows of phrases with commas between.

    `numbers` begin with two. A noun's meaning is an Object, or `list`: a place where any object can be. Raises
    ValueError where a phrase stands twice: one of its meanings would be lost.
    """
    rows = [(Word(tag), row) for tag, row in tags.items()]
    rows += [(Word("N", meaning), row) for meaning, row in nouns.items()]
    for tag, table in (("R", infinitives), ("Q", third_person), ("L", first_person), ("V", verbs)):
        rows += [(Word(tag, kind), row) for kind, row in (table or {}).items()]
    rows += [(Word("#", str(n)), row) for n, row in enumerate(numbers, 2)]
    words: dict[str, Word] = {}
    for word, row in rows:
        for phrase in phrases(row):
            if words.setdefault(phrase, word) is not word:
                raise ValueError(f"“{phrase}” stands twice.")
    return words


def phrases(row: str) -> Iterator[str]:
    return (phrase for each in row.casefold().split(",") if (phrase := " ".join(each.split())))


def read_words(row: str) -> frozenset[str]:
    return frozenset(row.casefold().split())


def inflect(stems: str, endings: str) -> str:
    """Each of the stems with each of the endings, as a row; `-` is no ending."""
    return ", ".join(
        stem + ending.replace("-", "") + (f" {rest}" if rest else "")
        for stem, _, rest in (each.partition(" ") for each in phrases(stems))
        for ending in phrases(endings)
    )


OBJECTS: Final[frozenset[str]] = frozenset(get_args(Object))
