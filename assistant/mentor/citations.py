"""Marks in an answer → quotes of the passages that they point at → quotes that are known to stand in the documents."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.knowledge.retrieval import Passage
from assistant.mentor.sentences import Sentence, split_sentences, stems

MAX_QUOTE: Final = 300
"""Characters of a quote: two or three sentences, readable at a glance."""

CLAIM_CHARACTERS: Final = 600
"""How far in front of a mark the sentence that it supports may begin."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`[1]` or `[1, 2]` in an answer, at `answer[start:end]`, and the words that it stands behind."""

    indexes: tuple[int, ...]
    start: int
    end: int
    claim: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A mark's number and the words behind it: `documents.content[start:end] == quote`, in code points."""

    index: int
    chunk_id: UUID
    document_id: UUID
    title: str
    heading: str | None
    page: int | None
    quote: str
    start: int
    end: int


_MARK: Final = re.compile(r"(?<!\\)\[(\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*)\](?!\()")
_CODE: Final = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*(?:\n(?! {0,3}(?P=fence))[^\n]*)*+(?:\n[ `~]+)?"
    r"|(?<!`)(?P<tick>`{1,8})(?!`)[^\n]{1,500}?(?<!`)(?P=tick)(?!`)",
    re.MULTILINE,
)
_TAIL: Final = " \t\r\n\"'»”’)*_.!?…:。！？」』”"
_BOUNDARY: Final = re.compile(r"[.!?…][\"'»”’)*_]*\s+|[。！？][」』”]*|\n")


def find_marks(text: str) -> list[Mark]:
    """All marks outside of code, in order."""
    found: list[Mark] = []
    if "[" not in text:
        return found
    code = [match.span() for match in _CODE.finditer(text)] if "`" in text or "~~~" in text else []
    before = 0
    for match in _MARK.finditer(text):
        if any(start <= match.start() < end for start, end in code):
            continue
        claim = _claim(text, max(before, match.start() - CLAIM_CHARACTERS), match.start())
        if not any(map(str.isalnum, claim)):
            adjacent = bool(found) and not text[before : match.start()].strip(_TAIL + ",;")
            claim = found[-1].claim if adjacent else _BOUNDARY.split(text[match.end() : match.end() + MAX_QUOTE])[0]
        indexes = tuple(int(number) for number in match[1].split(","))
        found.append(Mark(indexes, match.start(), match.end(), claim))
        before = match.end()
    return found


def _claim(text: str, start: int, end: int) -> str:
    """The last sentence of `text[start:end]`, or what there is of it."""
    said = text[start:end].rstrip()
    if said.endswith("»") and (opening := said.rfind("«")) >= 0:
        return said[opening + 1 : -1]  # words that are quoted belong together, whatever they hold
    body = said.rstrip(_TAIL)
    begin = 0
    for boundary in _BOUNDARY.finditer(body):
        begin = boundary.end()
    return body[begin:].strip(" \t\n,;")


def unknown_marks(text: str, shown: int) -> list[Mark]:
    """Marks with a number for which no passage was shown; passages are numbered from 1 to `shown`."""
    return [mark for mark in find_marks(text) if not all(1 <= index <= shown for index in mark.indexes)]


def cite(text: str, passages: Sequence[Passage]) -> list[Citation]:
    """For each passage that `text` marks, by number, the words of it that best support what stands before the marks.

    One citation per number. Marks without a passage are left out; `unknown_marks` finds them.
    """
    claims: dict[int, list[set[str]]] = {}
    for mark in find_marks(text):
        claim = set(stems(mark.claim))
        for index in mark.indexes:
            if 1 <= index <= len(passages) and passages[index - 1].text.strip():
                claims.setdefault(index, []).append(claim)
    return [_citation(index, passages[index - 1], claims[index]) for index in sorted(claims)]


def _citation(index: int, passage: Passage, claims: list[set[str]]) -> Citation:
    start, end = best_quote(passage.text, claims)
    return Citation(
        index,
        passage.chunk_id,
        passage.document_id,
        passage.title,
        passage.heading,
        passage.page,
        passage.text[start:end],
        passage.start + start,
        passage.start + end,
    )


def best_quote(text: str, claims: Sequence[set[str]]) -> tuple[int, int]:
    """The slice of `text`, of at most MAX_QUOTE characters, that shares most with one of the claims' stems.

    Words count the more, the fewer sentences of the text have them. Without any word in common, as between two
    languages, it is the beginning.
    """
    sentences = [each for each in split_sentences(text) if each.kind != "heading"] or _all_of(text)
    words = [set(stems(text[each.start : each.end])) for each in sentences]
    weights = {stem: 1 / count for stem, count in Counter(stem for each in words for stem in each).items()}
    best, score, wanted = 0, 0.0, set[str]()
    for claim in claims:
        known = claim & weights.keys()
        for position, each in enumerate(words):
            if known and (similar := _similarity(each, known, weights)) > score:
                best, score, wanted = position, similar, known
    first, last = _widen(sentences, words, best, score, wanted, weights)
    return _shorten(text, sentences[first].start, sentences[last].end, wanted)


def _all_of(text: str) -> list[Sentence]:
    """Nothing but headings."""
    start = len(text) - len(text.lstrip())
    return [Sentence(start, len(text.rstrip()), "prose")]


def _similarity(words: set[str], claim: set[str], weights: dict[str, float]) -> float:
    """Dice's coefficient of the two sets of weighted words."""
    shared = words & claim
    if not shared:
        return 0.0
    return 2 * _weigh(shared, weights) / (_weigh(words, weights) + _weigh(claim, weights))


def _weigh(words: set[str], weights: dict[str, float]) -> float:
    return sum(map(weights.__getitem__, words))


def _widen(
    sentences: Sequence[Sentence],
    words: Sequence[set[str]],
    best: int,
    score: float,
    claim: set[str],
    weights: dict[str, float],
) -> tuple[int, int]:
    """The range of sentences around `best` that fits the claim, taking in neighbours while it fits better for it."""
    first = last = best
    taken = words[best]
    while score:
        ranges = [(first - 1, last, first - 1), (first, last + 1, last + 1)]
        wider = [
            (_similarity(taken | words[new], claim, weights), begin, end, new)
            for begin, end, new in ranges
            if 0 <= new < len(sentences) and sentences[end].end - sentences[begin].start <= MAX_QUOTE
        ]
        gain, begin, end, new = max(wider, default=(0.0, 0, 0, 0))
        if gain <= score:
            break
        first, last, taken, score = begin, end, taken | words[new], gain
    return first, last


_TOKEN: Final = re.compile(r"\S+")


def _shorten(text: str, start: int, end: int, claim: set[str]) -> tuple[int, int]:
    """A part of a sentence that is too long: whole words around those of the claim, if it has any."""
    if end - start <= MAX_QUOTE:
        return start, end
    tokens = [match.span() for match in _TOKEN.finditer(text, start, end)]
    hits = [bool(claim.intersection(stems(text[begin:stop]))) for begin, stop in tokens]
    best, best_hits, stop, inside = (tokens[0][0], tokens[0][1]), -1, 0, 0
    for begin in range(len(tokens)):
        while stop < len(tokens) and tokens[stop][1] - tokens[begin][0] <= MAX_QUOTE:
            inside += hits[stop]
            stop += 1
        if stop > begin and inside > best_hits:
            best, best_hits = (tokens[begin][0], tokens[stop - 1][1]), inside
        if stop > begin:
            inside -= hits[begin]
        stop = max(stop, begin + 1)
    begin, finish = best
    return begin, min(finish, begin + MAX_QUOTE)


# The quote is looked for where it stood first; a document that was edited since may have it elsewhere.
_VERIFY: Final = """
select given.position, case
    when substr(d.content, given.begins + 1, length(given.quote)) = given.quote then given.begins
    else strpos(d.content, given.quote) - 1 end as begins
from unnest(%s::uuid[], %s::int[], %s::text[])
    with ordinality as given (document_id, begins, quote, position)
join public.documents d on d.id = given.document_id
"""


async def verify(database: Database, principal: Principal, citations: Sequence[Citation]) -> list[Citation]:
    """Those whose quote stands in its document now, as far as the caller may see it, at the place where it stands."""
    if not citations:
        return []
    given = (
        [citation.document_id for citation in citations],
        [citation.start for citation in citations],
        [citation.quote for citation in citations],
    )
    rows = await database.fetch(principal, _VERIFY, given)
    return list(_placed(citations, dict(rows)))


def _placed(citations: Sequence[Citation], begins: dict[int, int]) -> Iterator[Citation]:
    for position, citation in enumerate(citations, 1):
        begin = begins.get(position, -1)
        if begin >= 0:
            yield replace(citation, start=begin, end=begin + len(citation.quote))
