"""What a verb acts on, and what is thereby said to have been done."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from assistant.mentor.claims.clauses import Tagged
from assistant.mentor.claims.vocabulary import OBJECTS, Kind, Language, Object, Word, read_words

NEAR: Final = 40
"""Words around a verb that can have to do with it."""

SAVING: Final = read_words("""
    saved stored uploaded gespeichert abgelegt hochgeladen hinterlegt guardado guardada guardé subido subí enregistré
    téléversé sauvegardé
""")
"""Of a part of an answer, too, these say that something was stored."""

HEADWAY: Final = frozenset({"made", "gemacht", "erzielt"})
"""With progress, these say that somebody learned something."""

_FURTHER: Final = re.compile(r"&[d#]{0,5}(?P<o>N)")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is said to have been done."""

    kind: Kind
    object: Object
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Thing:
    """What is acted on."""

    object: Object
    count: int = 1
    part: bool = False
    """Only a part of it, such as a task's due date."""


SOMETHING: Final = _Thing("it")


def acts_of(
    language: Language, each: Tagged, at: int, earlier: Sequence[Tagged], later: Sequence[Tagged], *, asked: bool
) -> Iterator[Act]:
    """What the verb at that place of a clause says, with the clauses around it; `asked`: "it" will do as object."""
    begin, end = _window(each.tags, at, verb_last=language.verb_last)
    kind = cast(Kind, each.words[at].meaning)
    things = list(_things(each, begin, end, named="N" if kind == "sent" else "NFC"))
    if not things and "C" not in each.tags[begin:end]:
        things = list(_figure([each, *later[:1]])) or list(_vague(each, begin, end, earlier, later, asked=asked))
    yield from _acts(kind, things, each.spelled[at], completes="K" in each.tags[begin:end])


def acts_upon(each: Tagged, thing: int, verb: int) -> Iterator[Act]:
    """What a clause says whose verb has that thing as its subject."""
    word, tags = each.words[verb], each.tags
    kind = cast(Kind, word.meaning) if tags[verb] in "VQ" else "completed"
    if tags[thing] in "TP":
        place = tags.find("N", thing + 1)
        things = [_Thing(_meant(each.words[place]))] if place >= 0 else [SOMETHING]
    else:
        things = [_thing(each, thing)]
        things += [_thing(each, more.start("o")) for more in _FURTHER.finditer(tags, thing + 1, verb)]
    completes = tags[verb] in "KD" or "K" in tags[max(0, verb - 2) : verb + 4]
    yield from _acts(kind, things, each.spelled[verb], completes=completes)


def acts_on_what_follows(each: Tagged, verb: int, *, certain: bool) -> Iterator[Act]:
    """What a clause without a subject says: "Created two tasks". `certain`: also where it names nothing."""
    things = list(_things(each, verb + 1, len(each.tags)))[:1]
    if not things and (certain or "T" in each.tags):
        things = [SOMETHING]
    kind = cast(Kind, each.words[verb].meaning)
    yield from _acts(kind, things, each.spelled[verb], completes="K" in each.tags)


def act_of_place(each: Tagged, thing: int, place: int) -> Act | None:
    """What a clause says by which a thing is now at a place: on a list, at 50 %."""
    if each.tags[thing] == "T":
        return Act("created", "task" if each.words[place].meaning in ("task", "list") else "it")
    placed = _thing(each, thing)
    if each.tags[place] == "#" and placed.object not in ("progress", "module"):
        return None
    return Act("created" if each.tags[place] == "N" else "changed", placed.object, placed.count)


def _acts(kind: Kind, things: Sequence[_Thing], verb: str, *, completes: bool) -> Iterator[Act]:
    for thing in things:
        if thing.object != "progress" or verb not in HEADWAY:
            yield Act(_kind(kind, thing, completes=completes), thing.object, thing.count)


def _kind(kind: Kind, thing: _Thing, *, completes: bool) -> Kind:
    """A part that is added changes the whole, as a figure does; what is marked as done is completed."""
    if kind == "created" and (thing.part or thing.object == "progress"):
        return "changed"
    if kind == "changed" and completes and not thing.part and thing.object != "progress":
        return "completed"
    return kind


def _window(tags: str, at: int, *, verb_last: bool) -> tuple[int, int]:
    """Where the object of a verb can stand."""
    if verb_last:
        begin = max(tags.rfind(sign, 0, at) for sign in "VB") + 1
        return (begin, at) if set(tags[begin:at]) & set("NFTC") else (0, at)
    end = next((place for place in range(at + 1, len(tags)) if tags[place] in "VLBESM"), len(tags))
    return at + 1, end


def _things(each: Tagged, begin: int, end: int, named: str = "NFC") -> Iterator[_Thing]:
    """The first thing named, or the place that a title or `it` was put; then what `and` adds."""
    tags = each.tags[:end]
    first = next((place for place in range(begin, end) if tags[place] in named), None)
    if first is None or (tags[first] == "C" and not _is_kept(each)):
        return
    if tags[first] == "F" and "T" in tags[begin:first]:  # "Read", with high priority
        yield SOMETHING
        return
    yield _thing(each, first)
    if tags[first] == "N":
        yield from (_thing(each, more.start("o")) for more in _FURTHER.finditer(tags, first + 1))


def _thing(each: Tagged, at: int) -> _Thing:
    if each.tags[at] == "C":
        return _Thing("document") if each.mentions("document") else SOMETHING
    if each.tags[at] == "F":  # of what is named beside it, or of a task
        near = range(max(0, at - NEAR), min(len(each.tags), at + NEAR))
        whole: Object = next((_meant(each.words[place]) for place in near if each.tags[place] == "N"), "task")
        return _Thing(whole if whole in ("goal", "module", "document") else "task", part=True)
    meant = _meant(each.words[at])
    return _Thing("progress" if meant == "module" and "%" in each.spelled else meant, _count(each, at))


def _is_kept(each: Tagged) -> bool:
    """Whether a part of the answer is said to be stored, too."""
    return not SAVING.isdisjoint(each.spelled) and each.mentions("space", "list", "document")


def _figure(clauses: Sequence[Tagged]) -> Iterator[_Thing]:
    """The progress in "I recorded that you are at 30 % in the second module"."""
    if any("%" in each.spelled and each.mentions("module", "progress") for each in clauses):
        yield _Thing("progress")


def _vague(
    each: Tagged, begin: int, end: int, earlier: Sequence[Tagged], later: Sequence[Tagged], *, asked: bool
) -> Iterator[_Thing]:
    """Where no thing is named: a title says enough; `it` does after a request, or where it stands for a thing."""
    after, around = each.tags[begin:end], each.tags[max(0, begin - 6) : end]
    if "b" in each.tags:
        return
    nothing_more = not after.strip("An")
    if nothing_more or "P" in after[:3] or "P" in around[: len(around) - len(after)]:
        named = [word for clause in earlier for word in clause.words if word.tag in "NC"]
        if named and named[-1].tag == "N":
            yield _Thing(_meant(named[-1]))
            return
    titled = "T" in after[:4] or ("P" in after[:2] and any(clause.tags[:1] == "T" for clause in later[:1]))
    if titled or (asked and (not after.strip("Anp") or "P" in around)):
        yield SOMETHING


def _meant(word: Word) -> Object:
    return cast(Object, word.meaning) if word.meaning in OBJECTS else "it"


def _count(each: Tagged, at: int) -> int:
    """The number in front of a noun."""
    place = at - 1
    while place >= max(0, at - 4) and each.tags[place] == "d":
        place -= 1
    if place < 0 or each.tags[place] != "#" or (place > 0 and each.tags[place - 1] == "N"):
        return 1
    number = each.words[place].meaning
    return max(1, int(number)) if number.isdecimal() else 1
