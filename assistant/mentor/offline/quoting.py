"""The sentences of the passages that answer a question best. They are chosen by the words they share with it."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assistant.mentor.briefing import ShownPassage
from assistant.mentor.sentences import Sentence, split_sentences, stems

QUOTES: Final = 3
"""Passages that are quoted: more would be a list of results, not an answer."""

MORE: Final = 3
"""Further passages that are named."""

QUOTE_CHARACTERS: Final = 600
"""Of one quote; a longer sentence is left to the passage itself."""

ENOUGH: Final = 0.55
"""A further quote needs this share of the best one's score; below it, it is more often beside the point than not."""

NEXT_PASSAGE: Final = 0.93
"""What the search found less fitting counts less: by this factor for each rank."""

_ASKING: Final = frozenset(
    stem
    for stem in stems(
        "a about an and any are as at be by can could describe did do does explain for from had has have how i in"
        " is it me mean means of on or please say says should tell that the their there these they this to was we"
        " were what when where which who whom whose why will with would you your aber als am an auf aus bei"
        " bedeutet bitte da dann das dem den der des die du ein eine einem einen einer eines er erkläre es für gibt"
        " haben hat heißt ich im in ist kann man mir mit nach nicht oder sag sein sie sind über und uns um von vor"
        " wann warum was welche welchem welchen welcher welches wem wen wer werden wie wieso wieviel wird wo zu al"
        " como con cuál cuáles cuándo de del dónde e el ella en es esta este la las lo los me para por porque qué"
        " que quién se ser son su sus un una y au aux avec ce ces cette combien comment dans des du elle en est et"
        " il la le les leur où ou par pour pourquoi quand que quel quelle quels quelles qui quoi sa se son sont sur"
        " un une"
    )
)
_LEANING: Final = re.compile(
    r"(?:it|its|this|that|these|those|they|their|he|she|his|her|such|but|and|however|therefore|thus|also|then|er|sie|es"
    r"|dies\w*|jene\w*|aber|und|doch|jedoch|deshalb|daher|dabei|damit|dadurch|außerdem|dann)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a passage, with white space made plain."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the offline mentor answers with."""

    quotes: list[Quote]
    more: list[ShownPassage]
    """Other passages on the question."""
    direct: bool
    """Some sentence shares a word with the question; else the beginning of the best passage is quoted."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: ShownPassage
    sentences: list[Sentence]
    position: int
    score: float


def choose_quotes(question: str, passages: Sequence[ShownPassage]) -> Chosen:
    """The best sentences of `passages`, which are the best passages first and not empty."""
    asked = set(stems(question))
    wanted = asked - _ASKING or asked
    split = [
        (passage, [each for each in split_sentences(passage.text) if each.kind != "heading"]) for passage in passages
    ]
    weights = _weights(wanted, [passage.text[each.start : each.end] for passage, found in split for each in found])
    best = [
        candidate
        for rank, (passage, sentences) in enumerate(split)
        if (candidate := _best_of(passage, sentences, wanted, weights, NEXT_PASSAGE**rank))
    ]
    if not best:
        return Chosen([_beginning(*split[0])], list(passages[1 : 1 + MORE]), direct=False)
    top = max(each.score for each in best)
    quoted = sorted((each for each in best if each.score >= ENOUGH * top), key=lambda each: -each.score)[:QUOTES]
    used = {each.passage.number for each in quoted}
    more = [each.passage for each in best if each.passage.number not in used]
    return Chosen([_quote(each, wanted) for each in quoted], more[:MORE], direct=True)


def _weights(wanted: set[str], sentences: Sequence[str]) -> dict[str, float]:
    """How telling a word of the question is: the rarer among the sentences, the more."""
    frequency = Counter(stem for sentence in sentences for stem in wanted.intersection(stems(sentence)))
    return {stem: math.log(1 + (len(sentences) + 1) / (frequency[stem] + 0.5)) for stem in wanted}


def _best_of(
    passage: ShownPassage, sentences: list[Sentence], wanted: set[str], weights: dict[str, float], share: float
) -> _Candidate | None:
    """The sentence of this passage that has most of the question. Its title and heading count a little, too."""
    whole = sum(weights.values())
    context = wanted.intersection(stems(f"{passage.title} {passage.heading or ''}"))
    best: _Candidate | None = None
    for position, each in enumerate(sentences):
        text = passage.text[each.start : each.end]
        words = stems(text)
        shared = wanted.intersection(words)
        if not shared or each.kind == "code" or len(text) > QUOTE_CHARACTERS:
            continue
        score = sum(weights[stem] for stem in shared) + 0.4 * sum(weights[stem] for stem in context - shared)
        score *= share / whole
        if len(words) < 4 or each.kind == "table" or text.endswith("?"):
            score *= 0.6  # a scrap, a row or a question is rarely an answer
        if best is None or score > best.score:
            best = _Candidate(passage, sentences, position, score)
    return best


def _quote(candidate: _Candidate, wanted: set[str]) -> Quote:
    """The sentence; with the one before it, where it leans on that, or the next, where it has more of the question."""
    passage, sentences = candidate.passage, candidate.sentences
    first = last = candidate.position
    text = passage.text
    if first and _LEANING.match(text, sentences[first].start) and sentences[first - 1].kind == "prose":
        first -= 1
    elif last + 1 < len(sentences) and sentences[last + 1].kind == "prose":
        here = set(stems(text[sentences[last].start : sentences[last].end]))
        follows = text[sentences[last + 1].start : sentences[last + 1].end]
        opens = text[sentences[last].end - 1] == ":"
        if opens or (wanted - here).intersection(stems(follows)) or _LEANING.match(follows):
            last += 1
    start, end = sentences[first].start, sentences[last].end
    if end - start > QUOTE_CHARACTERS:
        start, end = sentences[candidate.position].start, sentences[candidate.position].end
    return Quote(passage.number, _plain(text[start:end]))


def _beginning(passage: ShownPassage, sentences: Sequence[Sentence]) -> Quote:
    """The first sentences of a passage, as far as they go into one quote."""
    prose = [each for each in sentences if each.kind == "prose"]
    if not prose:
        return Quote(passage.number, _plain(passage.text)[:QUOTE_CHARACTERS])
    end = prose[0].end
    for each in prose[1:3]:
        if each.end - prose[0].start <= QUOTE_CHARACTERS // 2:
            end = each.end
    return Quote(passage.number, _plain(passage.text[prose[0].start : end])[:QUOTE_CHARACTERS])


_MARKUP: Final = re.compile(r"(?<!\\)\[(?=\d)|(?<=!)\[|<(?=[a-zA-Z/!?])")


def _plain(text: str) -> str:
    """On one line; what would read as a mark of ours, show an image or be HTML is escaped."""
    return _MARKUP.sub(lambda sign: "\\" + sign[0], " ".join(text.split()))
