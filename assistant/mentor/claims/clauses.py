"""The clauses of a sentence in one language's tags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assistant.mentor.claims.text import Clause, Said
from assistant.mentor.claims.vocabulary import Language, Word

APART: Final = 2
"""Clauses between commas that can stand between a subject and what is said of it."""

_COMPLEMENT: Final = re.compile(r"c[Apd]{0,2}[VDK]|p[VDK]$|p[VDK](?=V)")
_BARE: Final = re.compile(r"[A&]{0,3}[d#]{0,5}[NF][T#.]{0,3}$")
_GOES_WITHOUT: Final = re.compile(r"[An]{0,3}[BE]")
_DONE: Final = re.compile(r"[ASHPEn&d]{0,5}D[APnpdS&]{0,5}$|[nj]E$")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A clause in one language: a tag, its word and how that is spelled for each word or phrase."""

    clause: Clause
    tags: str
    words: Sequence[Word]
    spelled: Sequence[str]
    """The first word of each phrase."""

    @property
    def says_done(self) -> bool:
        """Whether it is "Done", or "I've taken care of it", and nothing more."""
        return bool(_DONE.match(self.tags))

    def mentions(self, *meanings: str) -> bool:
        return any(word.meaning in meanings for word in self.words)


def tag_clauses(language: Language, said: Said, words: Sequence[list[str]]) -> list[Tagged]:
    """Empty where no clause has a word that a claim of this language has."""
    if all(map(language.triggers.isdisjoint, words)):
        return []
    clauses: list[Tagged] = []
    for clause, spelled in zip(said.clauses, words, strict=True):
        tagged = language.tag(spelled)
        tags = _COMPLEMENT.sub(_as_complement, "".join(word.tag for word, _ in tagged))
        this = Tagged(clause, tags, [word for word, _ in tagged], [spelled[at] for _, at in tagged])
        clauses.append(_with_subject(this, clauses[-APART:]))
    return clauses


def _as_complement(found: re.Match[str]) -> str:
    """In "marked as completed" the last word says what it was marked as."""
    return found[0][:-1] + "K"


def _with_subject(this: Tagged, earlier: Sequence[Tagged]) -> Tagged:
    """The clause with its subject, as in "The task, due on Friday, has been created"."""
    subject = next((each for each in reversed(earlier) if _BARE.match(each.tags)), None)
    if subject is None or not _GOES_WITHOUT.match(this.tags):
        return this
    return Tagged(
        this.clause, subject.tags + this.tags, [*subject.words, *this.words], [*subject.spelled, *this.spelled]
    )
