"""Sentences in which the mentor says that it created, changed, completed, deleted or sent something.

By rules and word lists: the same text always gives the same claims, in time that grows with its length. No claims are
offers, plans, questions, refusals, conditions, what somebody else did, what the data show, what a document says, and
what was made within the answer, such as a summary.
"""

import re
from dataclasses import dataclass
from typing import Final

from assistant.mentor.claims.languages import LANGUAGES
from assistant.mentor.claims.reading import Reading
from assistant.mentor.claims.text import Said, compose, mask, sentences
from assistant.mentor.claims.vocabulary import TITLE, Kind, Object, split_words


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that a sentence says was done."""

    sentence: str
    """As the answer has it, its accents composed."""
    kind: Kind
    object: Object
    count: int = 1
    """How many are named, as in "two tasks"."""
    titles: tuple[str, ...] = ()
    """Those that are quoted."""


def find_claims(text: str, *, asked: bool = False) -> list[Claim]:
    """The claims of an answer, in order, one for each kind and object in a sentence.

    `asked`: the answer is to a request to act, so that a bare "Done." is a claim. A sentence is read in the language
    in which fewest of its words are unknown.
    """
    text = compose(text)
    masked = mask(text)
    found: list[Claim] = []
    emphatic = asked
    for said in sentences(masked):
        words = [split_words(masked[each.start : each.end]) for each in said.clauses]
        readings = [Reading(each, said, words, asked=asked, emphatic=emphatic) for each in LANGUAGES]
        fewest = min(reading.unknown for reading in readings)
        fitting = [reading for reading in readings if reading.unknown == fewest]
        acts = dict.fromkeys(act for reading in fitting for act in reading.acts())
        titles = _titles(text, masked, said) if len(acts) == 1 else ()
        sentence = text[said.start : said.end]
        found += (Claim(sentence, act.kind, act.object, act.count, titles) for act in acts)
        emphatic = emphatic or any(reading.done_first for reading in fitting)
    return found


_ROW: Final = re.compile(rf"{TITLE}+(?:\s*(?:,|,?\s*(?:and|und|y|e|et|&))\s*{TITLE}+)*")
_TITLE: Final = re.compile(rf"{TITLE}+")


def _titles(text: str, masked: str, said: Said) -> tuple[str, ...]:
    """The first titles of a sentence, as many as stand in a row."""
    row = _ROW.search(masked, said.start, said.end)
    if row is None:
        return ()
    spans = _TITLE.finditer(masked, row.start(), row.end())
    return tuple(text[each.start() + 1 : each.end() - 1] for each in spans)
