"""Sentences in which the mentor says that it created, changed, completed, deleted or sent something.

By rules and word lists: the same text always gives the same claims, in time that grows with its length. No claims are
offers, plans, questions, refusals, conditions, what somebody else did, what the data show, what a document says, and
what was made within the answer, such as a summary.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from assistant.mentor.claims.languages import LANGUAGES
from assistant.mentor.claims.text import Clause, Said, compose, mask, sentences
from assistant.mentor.claims.vocabulary import OBJECTS, TITLE, Kind, Language, Object, Word, read_words, split_words


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that a sentence says was done: `text[start:end] == sentence`, once its accents are composed."""

    start: int
    end: int
    sentence: str
    kind: Kind
    object: Object
    count: int = 1
    """How many are named, as in "two tasks"."""
    titles: tuple[str, ...] = ()
    """Those that are quoted."""


@dataclass(frozen=True, slots=True)
class _Act:
    kind: Kind
    object: Object
    count: int = 1


def find_claims(text: str, *, asked: bool = False) -> list[Claim]:
    """The claims of an answer, in order, one for each kind and object in a sentence.

    `asked`: the answer is to a request to act, so that a bare "Done." is a claim.
    """
    text = compose(text)
    masked = mask(text)
    found: list[Claim] = []
    emphatic = asked
    for said in sentences(masked):
        words = [split_words(masked[each.start : each.end]) for each in said.clauses]
        readings = [_Reading(each, said, words, asked=asked, emphatic=emphatic) for each in LANGUAGES]
        fewest = min(reading.unknown for reading in readings)
        fitting = [reading for reading in readings if reading.unknown == fewest]
        acts = dict.fromkeys(act for reading in fitting for act in reading.acts())
        titles = _titles(text, masked, said) if len(acts) == 1 else ()
        found += (
            Claim(said.start, said.end, text[said.start : said.end], act.kind, act.object, act.count, titles)
            for act in acts
        )
        emphatic = emphatic or any(reading.done_first for reading in fitting)
    return found


_TITLES: Final = re.compile(rf"{TITLE}+(?:\s*(?:,|,?\s*(?:and|und|y|e|et|&))\s*{TITLE}+)*")


def _titles(text: str, masked: str, said: Said) -> tuple[str, ...]:
    """The first titles of a sentence, as many as stand in a row."""
    row = _TITLES.search(masked, said.start, said.end)
    if row is None:
        return ()
    spans = re.finditer(rf"{TITLE}+", row[0])
    return tuple(text[row.start() + each.start() + 1 : row.start() + each.end() - 1] for each in spans)


_DONE: Final = re.compile(r"[ASHPEn&d]{0,5}D[APnpdS&]{0,5}$|[nj]E$")
_GOES_ON: Final = re.compile(r"[^SUIBEMXVLy]{0,30}&[AHnSd]{0,5}(?P<v>[VL])")
_GOES_ON_VERB_LAST: Final = re.compile(r"[^SUIBEMXVy&]{0,30}&[^SUIBEMXVy]{0,30}(?P<v>V)")
_CONTINUES: Final = re.compile(r"[&A]{0,3}[HAn]{0,3}(?P<v>V)[^EBMUS]{0,30}$")
_COMPLEMENT: Final = re.compile(r"c[Apd]{0,2}[VDK]|p[VDK]$|p[VDK](?=V)")
_AGENT: Final = re.compile(r"y(?!#)")
_FURTHER: Final = re.compile(r"&[d#]{0,5}(?P<o>N)")

NEAR: Final = 40
"""Words in front of a verb that can still make something else of it."""

SAVING: Final = read_words("""
    saved stored uploaded gespeichert abgelegt hochgeladen hinterlegt guardado guardada guardé subido subí enregistré
    téléversé sauvegardé
""")
"""Of a part of an answer, too, these say that something was stored."""

HEADWAY: Final = frozenset({"made", "gemacht", "erzielt"})
"""With progress, these say that somebody learned something."""


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A clause in one language."""

    clause: Clause
    tags: str
    words: Sequence[Word]
    spelled: Sequence[str]
    """The first word of each phrase."""


class _Reading:
    """One sentence in one language."""

    def __init__(
        self, language: Language, said: Said, words: Sequence[list[str]], *, asked: bool, emphatic: bool
    ) -> None:
        self._language = language
        self._said = said
        self._asked = asked
        self._emphatic = emphatic
        self._clauses: list[_Tagged] = []
        if all(map(language.triggers.isdisjoint, words)):
            return
        for clause, spelled in zip(said.clauses, words, strict=True):
            tagged = language.tag(spelled)
            tags = "".join(word.tag for word, _ in tagged)
            tags = _COMPLEMENT.sub(lambda found: found[0][:-1] + "K", tags)
            first_words = [spelled[at] for _, at in tagged]
            self._clauses.append(_Tagged(clause, tags, [word for word, _ in tagged], first_words))

    @property
    def unknown(self) -> float:
        """How many words mean nothing in this language; all of them where none can be part of a claim."""
        return sum(each.tags.count(".") for each in self._clauses) if self._clauses else math.inf

    @property
    def done_first(self) -> bool:
        """Whether it begins with "Done": what follows then tells what."""
        return bool(self._clauses) and bool(_DONE.match(self._clauses[0].tags))

    def acts(self) -> Iterator[_Act]:
        if any("Z" in each.tags for each in self._clauses):
            return
        going_on = False
        for position, each in enumerate(self._clauses):
            if each.clause.asks or (self._said.asks and each.tags[:1] in "HBEM"):
                going_on = False
                continue
            active = list(self._active(each, going_on=going_on))
            for at in active:
                yield from self._made(
                    each, at, self._clauses[max(0, position - 3) : position], self._clauses[position : position + 2]
                )
            going_on = bool(active)
            if not active:
                yield from self._told(each)

    # --- I have … ----------------------------------------------------------------------------------------------------

    def _active(self, each: _Tagged, *, going_on: bool) -> Iterator[int]:
        """Places of the verbs that the mentor is the subject of."""
        tags, last = each.tags, -1
        if going_on and (more := _CONTINUES.match(tags)):
            last = more.start("v")
            yield last
        for found in self._language.patterns.active.finditer(tags):
            at = _place_of(found, "vwxy")
            if at <= last or "w" in tags or self._hedged(tags, found.start()) or "X" in tags[at + 1 : at + 3]:
                continue
            yield at
            last = at
            chain = _GOES_ON_VERB_LAST if self._language.verb_last else _GOES_ON
            while more := chain.match(tags, last + 1):
                last = more.start("v")
                yield last

    def _hedged(self, tags: str, subject: int) -> bool:
        """Whether what stands before the subject makes a condition, a denial or a relative clause of it."""
        before = tags[max(0, subject - NEAR) : subject]
        bare = before.rstrip("AP")
        if "I" in before or "X" in bare[-2:] or bare.endswith("r"):
            return True
        return not self._language.verb_last and before[-1:] in ("N", "C", "F") and before[-1:] != ""

    def _made(self, each: _Tagged, at: int, earlier: Sequence[_Tagged], following: Sequence[_Tagged]) -> Iterator[_Act]:
        """What the verb at that place says was done."""
        verb = each.words[at]
        if verb.tag not in "VLR" or verb.meaning == "done":
            if self._asked:
                yield _Act("done", "it")
            return
        kind = cast(Kind, verb.meaning)
        begin, end = self._window(each.tags, at)
        objects = list(self._objects(each, begin, end))
        if not objects and "C" not in each.tags[begin:end]:
            objects = list(self._figure(following)) or list(self._vague(each, begin, end, earlier, following[1:]))
        completes = "K" in each.tags[begin:end]
        for named in objects:
            if named.object != "progress" or each.spelled[at] not in HEADWAY:
                yield _Act(_kind(kind, named, completes=completes), named.object, named.count)

    def _window(self, tags: str, at: int) -> tuple[int, int]:
        """Where the object of a verb can stand."""
        if self._language.verb_last:
            begin = max((tags.rfind(sign, 0, at) for sign in "VB"), default=-1) + 1
            return (begin, at) if set(tags[begin:at]) & set("NFTC") else (0, at)
        end = next((place for place in range(at + 1, len(tags)) if tags[place] in "VLBESM"), len(tags))
        return at + 1, end

    def _objects(self, each: _Tagged, begin: int, end: int) -> Iterator[_Act]:
        """What is acted on: the first thing named, or the place that a title or `it` was put; then what `and` adds."""
        tags = each.tags[:end]
        first = next((place for place in range(begin, end) if tags[place] in "NFC"), None)
        if first is None or (tags[first] == "C" and not self._kept(each)):
            return
        if tags[first] == "F" and "T" in tags[begin:first]:  # "Read", with high priority
            yield _Act("created", "it")
            return
        yield self._object(each, first, begin, end)
        if tags[first] == "N":
            for more in _FURTHER.finditer(tags, first + 1):
                yield self._object(each, more.start("o"), begin, end)

    def _object(self, each: _Tagged, at: int, begin: int, end: int) -> _Act:
        if each.tags[at] == "C":
            return _Act("created", "document" if any(word.meaning == "document" for word in each.words) else "it")
        if each.tags[at] == "F":  # of what is named beside it, or of a task
            near = range(max(0, begin - NEAR), min(len(each.tags), end + NEAR))
            of: Object = next((_meant(each.words[place]) for place in near if each.tags[place] == "N"), "task")
            return _Act("changed", of if of in ("goal", "module", "document") else "task")
        meant = _meant(each.words[at])
        if meant == "module" and "%" in each.spelled:
            meant = "progress"
        return _Act("created", meant, _count(each, at))

    def _kept(self, each: _Tagged) -> bool:
        """Whether a part of the answer is said to be stored, too."""
        stored = not SAVING.isdisjoint(each.spelled)
        return stored and any(word.meaning in ("space", "list", "document") for word in each.words)

    def _figure(self, following: Sequence[_Tagged]) -> Iterator[_Act]:
        """The progress in "I recorded that you are at 30 % in the second module"."""
        for each in following:
            if "%" in each.spelled and any(word.meaning in ("module", "progress") for word in each.words):
                yield _Act("changed", "progress")
                return

    def _vague(
        self, each: _Tagged, begin: int, end: int, earlier: Sequence[_Tagged], following: Sequence[_Tagged]
    ) -> Iterator[_Act]:
        """Where no thing is named: a title says enough; `it` only after a request, or where it stands for a thing."""
        near = each.tags[begin:end]
        if "b" in each.tags:
            return
        if not near.strip("An") or "P" in near[:3] or "P" in each.tags[max(0, begin - 6) : begin]:
            named = [word for clause in earlier for word in clause.words if word.tag in "NC"]
            if named and named[-1].tag == "N":
                yield _Act("created", _meant(named[-1]))
                return
        titled = "T" in near[:4] or ("P" in near[:2] and following[:1] and following[0].tags[:1] == "T")
        bare = not near.strip("Anp") or "P" in each.tags[max(0, begin - 6) : end]
        if titled or (self._asked and bare):
            yield _Act("created", "it")

    # --- … has been, … is now, … created -----------------------------------------------------------------------------

    def _told(self, each: _Tagged) -> Iterator[_Act]:
        """What is said to have happened, without saying through whom."""
        if self._said.cited or set("wS") & set(each.tags):
            return
        if _DONE.match(each.tags):
            if self._asked:
                yield _Act("done", "it")
            return
        for read in (self._passive, self._resting, self._placed, self._elliptic):
            if acts := list(read(each)):
                yield from acts
                return

    def _passive(self, each: _Tagged) -> Iterator[_Act]:
        tags = each.tags
        for found in self._language.patterns.passive.finditer(tags):
            thing, verb = _place_of(found, "oi"), _place_of(found, "vwqx")
            if _blocked(tags, thing, verb) or (tags[thing] == "P" and not (self._asked or "N" in tags[verb:])):
                continue
            yield from self._happened(each, thing, verb)

    def _resting(self, each: _Tagged) -> Iterator[_Act]:
        tags = each.tags
        for found in self._language.patterns.resting.finditer(tags):
            thing, verb = found.start("o"), found.start("v")
            word = each.words[verb]
            sudden = "n" in tags or self._emphatic or self.done_first
            state = tags[verb] in "KD" or word.meaning == "completed"
            if _blocked(tags, thing, verb) or (not sudden and (state or not self._rests(each, verb))):
                continue
            yield from self._happened(each, thing, verb)

    def _rests(self, each: _Tagged, verb: int) -> bool:
        """Whether "is saved" tells what happened; in English it is what always happens, but in "your task is saved"."""
        if self._language.code != "en":
            return True
        return each.spelled[0] in ("your", "the") and verb == len(each.tags) - 1 and each.clause.first

    def _placed(self, each: _Tagged) -> Iterator[_Act]:
        tags = each.tags
        found = self._language.patterns.placed.search(tags)
        if found is None or not ("n" in tags or "h" in tags or self._emphatic or self.done_first):
            return
        thing = _place_of(found, "of")
        if _blocked(tags, thing, found.end() - 1):
            return
        if tags[thing] == "T":
            place = each.words[found.end() - 1]
            yield _Act("created", "task" if place.meaning in ("task", "list") else "it")
            return
        act = self._object(each, thing, 0, len(tags))
        if tags[found.end() - 1] == "#" and act.object not in ("progress", "module"):
            return
        yield _Act("created" if tags[found.end() - 1] == "N" else "changed", act.object, act.count)

    def _elliptic(self, each: _Tagged) -> Iterator[_Act]:
        tags = each.tags
        found = self._language.patterns.elliptic.match(tags)
        if found is None or "C" in tags or "b" in tags or "y" in tags:
            return
        thing, verb = found.start("o"), _place_of(found, "vw")
        kind = each.words[verb].meaning
        ordered = thing < 0 and each.spelled[verb] in self._language.imperatives
        if ordered or (kind == "completed" and not self._asked):
            return
        if thing >= 0:
            yield from self._happened(each, thing, verb)
            return
        objects = list(self._objects(each, verb + 1, len(tags)))
        if objects or "T" in tags or self._asked or each.clause.exclaims:
            named = objects[0] if objects else _Act("created", "it")
            yield _Act(_kind(cast(Kind, kind), named, completes="K" in tags), named.object, named.count)

    def _happened(self, each: _Tagged, thing: int, verb: int) -> Iterator[_Act]:
        word, tags = each.words[verb], each.tags
        kind = cast(Kind, word.meaning) if tags[verb] in "VQ" else "completed"
        if tags[thing] in "TP":
            things = [_Act("created", "it")]
            if (place := next((at for at in range(thing + 1, len(tags)) if tags[at] == "N"), None)) is not None:
                things = [_Act("created", _meant(each.words[place]))]
        else:
            things = [self._object(each, thing, 0, len(tags))]
            things += [
                self._object(each, more.start("o"), 0, len(tags)) for more in _FURTHER.finditer(tags, thing + 1, verb)
            ]
        if things[0].object == "progress" and each.spelled[verb] in HEADWAY:
            return
        completes = tags[verb] in "KD" or "K" in tags[verb - 2 : verb + 4]
        for named in things:
            yield _Act(_kind(kind, named, completes=completes), named.object, named.count)


def _blocked(tags: str, thing: int, verb: int) -> bool:
    """Whether a condition, a denial, somebody else or another's deed stands around."""
    begin, end = min(thing, verb), max(thing, verb)
    before = tags[max(0, begin - NEAR) : begin]
    after = tags[end : end + NEAR].partition("&")[0]
    if set("IXUrMSLeW") & set(before) or {"X", "W"} & set(tags[begin:end]):
        return True
    return "X" in after[:3] or "W" in after or bool(_AGENT.search(after[:5]))


def _place_of(found: re.Match[str], groups: str) -> int:
    return next(found.start(group) for group in groups if group in found.re.groupindex and found.start(group) >= 0)


def _meant(word: Word) -> Object:
    return cast(Object, word.meaning) if word.meaning in OBJECTS else "it"


def _kind(kind: Kind, named: _Act, *, completes: bool) -> Kind:
    """A part that is added, or put somewhere, changes the whole; what is marked as done is completed."""
    if kind in ("created", "changed") and named.kind == "changed":
        return "changed"
    if kind == "created" and named.object == "progress":
        return "changed"
    return "completed" if kind == "changed" and completes and named.object != "progress" else kind


def _count(each: _Tagged, at: int) -> int:
    """The number in front of a noun."""
    place = at - 1
    while place >= max(0, at - 4) and each.tags[place] == "d":
        place -= 1
    if place < 0 or each.tags[place] != "#" or each.tags[place - 1 : place] == "N":
        return 1
    return max(1, int(each.words[place].meaning)) if each.words[place].meaning.isdecimal() else 1
