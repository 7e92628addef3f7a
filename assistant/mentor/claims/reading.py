"""What a sentence says was done, read in one language.

active      I have created a task            the mentor is the subject
passive     A task has been created          and nobody else is said to have done it, nor when
resting     The task is (now) created
placed      The task is now on your list
elliptic    Task created
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from assistant.mentor.claims.clauses import Tagged, tag_clauses
from assistant.mentor.claims.objects import NEAR, Act, act_of_place, acts_of, acts_on_what_follows, acts_upon
from assistant.mentor.claims.text import Said
from assistant.mentor.claims.vocabulary import Language

ANTECEDENTS: Final = 3
"""Clauses in front of one in which its "it" may be named."""

_GOES_ON: Final = re.compile(r"[^SUIBEMXVLy]{0,30}&[AHnSd]{0,5}(?P<v>[VL])")
_GOES_ON_VERB_LAST: Final = re.compile(r"[^SUIBEMXVy&]{0,30}&[^SUIBEMXVy]{0,30}(?P<v>V)")
_CONTINUES: Final = re.compile(r"[&A]{0,3}[HAn]{0,3}(?P<v>V)[^EBMUS]{0,30}$")
_AGENT: Final = re.compile(r"y(?!#)")


class Reading:
    """`asked`: the answer is to a request to act. `emphatic`: "Done" was said before, or asked for."""

    def __init__(
        self, language: Language, said: Said, words: Sequence[list[str]], *, asked: bool, emphatic: bool
    ) -> None:
        self._language = language
        self._said = said
        self._asked = asked
        self._clauses = tag_clauses(language, said, words)
        self.done_first = bool(self._clauses) and self._clauses[0].says_done
        """Whether it begins with "Done": what follows then tells what."""
        self._emphatic = emphatic or self.done_first

    @property
    def unknown(self) -> float:
        """How many words mean nothing in this language; infinitely many where none can be part of a claim."""
        return sum(each.tags.count(".") for each in self._clauses) if self._clauses else math.inf

    def acts(self) -> Iterator[Act]:
        if any("Z" in each.tags for each in self._clauses):  # it waits for somebody's approval
            return
        going_on = False
        for position, each in enumerate(self._clauses):
            if each.clause.asks or (self._said.asks and each.tags[:1] in "HBEM"):
                going_on = False
                continue
            verbs = list(self._active(each, going_on=going_on))
            going_on = bool(verbs)
            if not verbs:
                yield from self._told(each)
            earlier = self._clauses[max(0, position - ANTECEDENTS) : position]
            for at in verbs:
                yield from self._made(each, at, earlier, self._clauses[position + 1 :])

    # --- I have … ----------------------------------------------------------------------------------------------------

    def _active(self, each: Tagged, *, going_on: bool) -> Iterator[int]:
        """Places of the verbs that the mentor is the subject of; `going_on`: it was that of the clause before."""
        tags, last = each.tags, -1
        if going_on and (more := _CONTINUES.match(tags)):
            last = more.start("v")
            yield last
        chain = _GOES_ON_VERB_LAST if self._language.verb_last else _GOES_ON
        for found in self._language.patterns.active.finditer(tags):
            at = _place_of(found, "vwxy")
            if at <= last or "w" in tags or self._is_hedged(tags, found.start()) or "X" in tags[at + 1 : at + 3]:
                continue
            yield at
            last = at
            while more := chain.match(tags, last + 1):
                last = more.start("v")
                yield last

    def _is_hedged(self, tags: str, subject: int) -> bool:
        """Whether what stands before the subject makes a condition, a denial or a relative clause of it."""
        before = tags[max(0, subject - NEAR) : subject]
        close = before.rstrip("AP")
        if "I" in before or "X" in close[-2:] or close.endswith("r"):
            return True
        return not self._language.verb_last and before.endswith(("N", "C", "F"))

    def _made(self, each: Tagged, at: int, earlier: Sequence[Tagged], later: Sequence[Tagged]) -> Iterator[Act]:
        verb = each.words[at]
        if verb.tag in "VLR" and verb.meaning != "done":
            yield from acts_of(self._language, each, at, earlier, later, asked=self._asked)
        elif self._asked:
            yield Act("done", "it")

    # --- … has been, … is now, … created -----------------------------------------------------------------------------

    def _told(self, each: Tagged) -> Iterator[Act]:
        """What is said to have happened, without saying through whom."""
        if self._said.cited or "w" in each.tags or "S" in each.tags:
            return
        if each.says_done:
            if self._asked:
                yield Act("done", "it")
            return
        for read in (self._passive, self._resting, self._placed, self._elliptic):
            if acts := list(read(each)):
                yield from acts
                return

    def _passive(self, each: Tagged) -> Iterator[Act]:
        tags = each.tags
        for found in self._language.patterns.passive.finditer(tags):
            thing, verb = _place_of(found, "oil"), _place_of(found, "vwqxk")
            nameless = tags[thing] == "P" and not (self._asked or "N" in tags[verb:])
            elsewhere = found.lastgroup == "l" and each.words[thing].meaning != "list"
            if not (nameless or elsewhere or _is_blocked(tags, thing, verb)):
                yield from acts_upon(each, thing, verb)

    def _resting(self, each: Tagged) -> Iterator[Act]:
        tags = each.tags
        for found in self._language.patterns.resting.finditer(tags):
            thing, verb = found.start("o"), found.start("v")
            state = tags[verb] in "KD" or each.words[verb].meaning == "completed"
            sudden = "n" in tags or self._emphatic
            if not _is_blocked(tags, thing, verb) and (sudden or (not state and self._rests(each, verb))):
                yield from acts_upon(each, thing, verb)

    def _rests(self, each: Tagged, verb: int) -> bool:
        """Whether "is saved" tells what happened; in English it is what always happens, but in "your task is saved"."""
        if self._language.code != "en":
            return True
        return each.spelled[0] in ("your", "the") and verb == len(each.tags) - 1 and each.clause.first

    def _placed(self, each: Tagged) -> Iterator[Act]:
        tags = each.tags
        found = self._language.patterns.placed.search(tags)
        if found is None or not ("n" in tags or "h" in tags or self._emphatic):
            return
        thing, place = _place_of(found, "of"), found.end() - 1
        if not _is_blocked(tags, thing, place) and (act := act_of_place(each, thing, place)):
            yield act

    def _elliptic(self, each: Tagged) -> Iterator[Act]:
        tags = each.tags
        found = self._language.patterns.elliptic.match(tags)
        if found is None or not set("Cby").isdisjoint(tags):
            return
        thing, verb = found.start("o"), _place_of(found, "vw")
        if each.words[verb].meaning == "completed" and not self._asked:  # as lists say of what is there
            return
        if thing >= 0:
            if not _is_blocked(tags, thing, verb):
                yield from acts_upon(each, thing, verb)
            return
        heads_list = tags.endswith("VN")  # "Updated tasks:"
        if each.spelled[verb] not in self._language.imperatives and (self._asked or not heads_list):
            yield from acts_on_what_follows(each, verb, certain=self._asked or each.clause.exclaims)


def _is_blocked(tags: str, thing: int, verb: int) -> bool:
    """Whether a condition, a denial, a time or another's deed stands around."""
    begin, end = min(thing, verb), max(thing, verb)
    before = tags[max(0, begin - NEAR) : begin]
    after = tags[end : end + NEAR].partition("&")[0]
    if not set("IXUrMSLeW").isdisjoint(before) or not {"X", "W"}.isdisjoint(tags[begin:end]):
        return True
    return "X" in after[:3] or "W" in after or bool(_AGENT.search(after[:5]))


def _place_of(found: re.Match[str], groups: str) -> int:
    """Where the one of these groups stands that took part."""
    return next(found.start(group) for group in groups if group in found.re.groupindex and found.start(group) >= 0)
