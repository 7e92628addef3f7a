"""The sentences of the passages that answer a question best. They are chosen by the words they share with it."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from assistant.mentor.briefing import ShownPassage
from assistant.mentor.sentences import Sentence, split_sentences, stems

QUOTES: Final = 3
"""Passages that are quoted: more would be a list of results, not an answer."""

MORE: Final = 3
"""Further passages that are named, with a word of what they say."""

SNIPPET_CHARACTERS: Final = 160
"""Of that word."""

QUOTE_CHARACTERS: Final = 600
"""Of one quote; a longer sentence is left to the passage itself."""

RELATED: Final = 0.25
"""A passage with less of the question than this is not named as a further one."""

ENOUGH: Final = 0.55
"""A further quote needs this share of the best one's score; below it, it is more often beside the point than not."""

NEXT_PASSAGE: Final = 0.88
"""What the search found less fitting counts less, by this factor for each rank: it knows meanings, not only words."""

DIRECT: Final = 0.35
"""A sentence with less of the question's words, by weight, is offered as the closest there is, not as an answer."""

ASKING: Final = frozenset(
    stem
    for stem in stems(
        "a about an and any are as at be by can could describe did do does explain for from had has have how i in"
        " is it me mean means must need of on one or please say says should tell that the their there these they"
        " this to was we were what when where which who whom whose why will with would you your all also but get"
        " if into more no not so some than them then use used up very wenn aber als am an auf aus bei bedeutet"
        " bitte da dann das dem den der des die du ein eine einem einen einer eines er erkläre es für gibt haben"
        " hat heißt ich im in ist kann man mir mit nach nicht oder sag sein sie sind über und uns um von vor wann"
        " warum was welche welchem welchen welcher welches wem wen wer werden wie wieso wieviel wird wo zu al como"
        " con cuál cuáles cuándo de del dónde e el ella en es esta este la las lo los me para por porque qué que"
        " quién se ser son su sus un una y au aux avec ce ces cette combien comment dans des du elle en est et il"
        " la le les leur où ou par pour pourquoi quand que quel quelle quels quelles qui quoi sa se son sont sur"
        " un une"
    )
)
_LEANING: Final = re.compile(
    r"(?:\w+ (?:it|this|them|es|sie|ihn)|it|its|this|that|these|those|they|their|he|she|his|her|such|but|and|however"
    r"|therefore|thus|also|then|er|sie|es|dies\w*|jene\w*|aber|und|doch|jedoch|deshalb|daher|dabei|damit|dadurch|außerdem"
    r"|dann)\b",
    re.IGNORECASE,
)
_HOW: Final = re.compile(
    r"\bhow\s+(?:(?:do|can|could|should|would|must)\s+(?:i|you|we|one|people|they)|to)\s+(?:\w+ly\s+)?(?P<english>\w+)"
    r"|\bwie\s+(?:kann|könnte|soll|sollte|muss|darf)\s+(?:ich|man|wir|du)\s(?:[^?.!]{0,200}?\W)?(?P<last>\w{1,40})\s?(?:[?.!]|$)"
    r"|\bwie\s+(?P<german>\w+)\s+(?:ich|man|wir|du)\b"
    r"|\bcómo\s+(?:se\s+|puedo\s+|debo\s+|hago\s+para\s+)?(?P<spanish>\w+)"
    r"|\bcomment\s+(?:faire\s+(?:pour\s+)?|puis-je\s+|peut-on\s+|on\s+)?(?P<french>\w+)",
    re.IGNORECASE,
)
"""A question for a way to do something, with the word for doing it, which the steps need not have."""

_STEP: Final = re.compile(r"\s+(?:[-*+•]|(?P<number>\d{1,3})[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
"""What stands between a sentence and the next item of a list."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a passage, with white space made plain."""

    passage: ShownPassage
    text: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the offline mentor answers with."""

    quotes: list[Quote]
    more: list[Quote]
    """The best of other passages on the question, cut short."""
    direct: bool
    """Some sentence has enough of the question's words; else it is the passage that the search likes best."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence that has something of the question."""

    passage: ShownPassage
    sentences: list[Sentence]
    position: int
    shared: frozenset[str]
    """The question's words in it."""
    context: frozenset[str]
    """Those in the title and the headings above it."""
    share: float
    """What it counts for, by its form and by the rank of its passage."""

    @property
    def text(self) -> str:
        sentence = self.sentences[self.position]
        return self.passage.text[sentence.start : sentence.end]


def choose_quotes(question: str, passages: Sequence[ShownPassage]) -> Chosen:
    """The best sentences of `passages`, which are the best passages first and not empty."""
    asked = set(stems(question))
    wanted = asked - ASKING or asked
    split = [split_sentences(passage.text) for passage in passages]
    candidates = [
        candidate
        for rank, (passage, sentences) in enumerate(zip(passages, split, strict=True))
        for candidate in _candidates(passage, sentences, wanted, NEXT_PASSAGE**rank)
    ]
    weights = _weights(wanted, candidates)
    how = _HOW.search(question)
    doing = set(stems(how[how.lastgroup])) if how and how.lastgroup else set()
    subject = _weights(wanted - doing or wanted, candidates)
    direct = any(_covered(each, subject) >= DIRECT for each in candidates)
    chosen = _choose(candidates, weights)[: QUOTES if direct else 1]
    quotes = [_quote(each, wanted, steps=how is not None and each is chosen[0]) for each in chosen]
    quotes = _distinct(quotes) or [_beginning(passages[0], split[0])]
    return Chosen(quotes, list(_further(candidates, weights, quotes))[:MORE], direct)


def _distinct(quotes: Sequence[Quote]) -> list[Quote]:
    """Without those that an earlier one holds."""
    kept: list[Quote] = []
    for quote in quotes:
        if not _said(quote.text, kept):
            kept.append(quote)
    return kept


def _said(text: str, quotes: Iterable[Quote]) -> bool:
    return any(text in quote.text for quote in quotes)


def _further(
    candidates: Sequence[_Candidate], weights: Mapping[str, float], quotes: Sequence[Quote]
) -> Iterator[Quote]:
    """The best sentence of each passage that has something of the question and says what `quotes` do not."""
    used = {quote.passage.number for quote in quotes}
    best: dict[int, _Candidate] = {}
    for each in candidates:
        number = each.passage.number
        related = number not in used and _covered(each, weights) >= RELATED and not _said(plain(each.text), quotes)
        if related and (number not in best or _value(each, weights, set()) > _value(best[number], weights, set())):
            best[number] = each
    for quote in _distinct([Quote(best[number].passage, plain(best[number].text)) for number in sorted(best)]):
        yield Quote(quote.passage, _snippet(quote.text))


def _snippet(text: str) -> str:
    return text if len(text) <= SNIPPET_CHARACTERS else text[:SNIPPET_CHARACTERS].rpartition(" ")[0] + " …"


def _candidates(
    passage: ShownPassage, sentences: list[Sentence], wanted: set[str], share: float
) -> Iterator[_Candidate]:
    context = above = wanted.intersection(stems(f"{passage.title} {passage.heading or ''}"))
    opens = True
    for position, each in enumerate(sentences):
        text = passage.text[each.start : each.end]
        words = stems(text)
        shared = wanted.intersection(words)
        if each.kind == "heading":
            context, opens = above | shared, True
            continue
        # Under a heading that has the question's words its first sentence may answer without them.
        if (shared or (opens and context)) and each.kind != "code" and len(text) <= QUOTE_CHARACTERS:
            poor = len(words) < 4 or each.kind == "table" or text.endswith("?")  # rarely an answer
            yield _Candidate(
                passage, sentences, position, frozenset(shared), frozenset(context), share * (0.6 if poor else 1)
            )
        opens = False


def _weights(wanted: set[str], candidates: Sequence[_Candidate]) -> dict[str, float]:
    """How telling each word of the question is, 1 in all: the rarer among the sentences, the more."""
    frequency = Counter(stem for each in candidates for stem in each.shared)
    telling = {stem: math.log(1 + (len(candidates) + 1) / (frequency[stem] + 0.5)) for stem in wanted}
    whole = sum(telling.values()) or 1.0
    return {stem: weight / whole for stem, weight in telling.items()}


def _weight(words: Iterable[str], weights: Mapping[str, float]) -> float:
    return sum(weights.get(stem, 0) for stem in words)


def _covered(candidate: _Candidate, weights: Mapping[str, float]) -> float:
    """How much of the question the sentence and the headings above it have; a heading is only what it is about."""
    return _weight(candidate.shared, weights) + 0.7 * _weight(candidate.context - candidate.shared, weights)


def _value(candidate: _Candidate, weights: Mapping[str, float], said: set[str]) -> float:
    """What the sentence adds to what was said already: new words of the question count whole, others half."""
    new, known = candidate.shared - said, candidate.shared & said
    context = 0.4 * _weight(candidate.context - said, weights)
    return candidate.share * (_weight(new, weights) + 0.5 * _weight(known, weights) + context)


def _choose(candidates: Sequence[_Candidate], weights: Mapping[str, float]) -> list[_Candidate]:
    """The best sentence, and those that add enough to it."""
    chosen: list[_Candidate] = []
    said: set[str] = set()
    least = 0.0
    for _ in range(QUOTES):
        left = [each for each in candidates if not any(_repeats(each, other) for other in chosen)]
        best = max(left, key=lambda each: _value(each, weights, said), default=None)
        if best is None or (value := _value(best, weights, said)) < least:
            break
        chosen.append(best)
        said |= best.shared
        least = max(least, ENOUGH * value)
    return chosen


def _repeats(one: _Candidate, other: _Candidate) -> bool:
    """The same sentence, also of another passage, or the next one: its quote may hold it."""
    if one.passage is other.passage and abs(one.position - other.position) <= 1:
        return True
    return one.text.split() == other.text.split()


def _quote(candidate: _Candidate, wanted: set[str], *, steps: bool) -> Quote:
    """The sentence; with the one before it, where it leans on that, or the next, where it has more of the question.

    `steps`: with all that follow on it, as far as they go into one quote.
    """
    sentences, text = candidate.sentences, candidate.passage.text
    first = last = candidate.position
    if _LEANING.match(candidate.text) and _go_on(text, sentences, first - 1):
        first -= 1
    elif _go_on(text, sentences, last):
        follows = text[sentences[last + 1].start : sentences[last + 1].end]
        more = (wanted - candidate.shared).intersection(stems(follows))
        if candidate.text.endswith(":") or more or _LEANING.match(follows):
            last += 1
    if steps:
        last = max(last, _last_step(text, sentences, candidate.position, sentences[first].start + QUOTE_CHARACTERS))
    start, end = sentences[first].start, sentences[last].end
    whole = text[start:end] if end - start <= QUOTE_CHARACTERS else candidate.text
    return Quote(candidate.passage, plain(whole))


def _go_on(text: str, sentences: Sequence[Sentence], position: int) -> bool:
    """Whether the sentence after `position` goes on in the same paragraph."""
    if not 0 <= position < len(sentences) - 1:
        return False
    here, there = sentences[position], sentences[position + 1]
    between = text[here.end : there.start]
    return here.kind == there.kind == "prose" and not between.strip() and between.count("\n") < 2


def _last_step(text: str, sentences: Sequence[Sentence], position: int, end: int) -> int:
    """The last sentence that follows on the one at `position`, in its paragraph or as steps of a list, before `end`."""
    listed = False
    while position + 1 < len(sentences) and sentences[position + 1].end <= end:
        here, there = sentences[position], sentences[position + 1]
        step = _STEP.fullmatch(text, here.end, there.start)
        listed = listed or bool(step and (step["number"] or text[here.start : here.end].endswith(":")))
        if there.kind != "prose" or not ((step and listed) or _go_on(text, sentences, position)):
            break
        position += 1
    return position


def _beginning(passage: ShownPassage, sentences: Sequence[Sentence]) -> Quote:
    """The first sentences of a passage, as far as they go into one quote."""
    first = next((place for place, each in enumerate(sentences) if each.kind == "prose"), None)
    if first is None:
        return Quote(passage, plain(passage.text)[:QUOTE_CHARACTERS])
    last, start = first, sentences[first].start
    while _go_on(passage.text, sentences, last) and sentences[last + 1].end - start <= QUOTE_CHARACTERS // 2:
        last += 1
    return Quote(passage, plain(passage.text[start : sentences[last].end])[:QUOTE_CHARACTERS])


_MARKUP: Final = re.compile(r"(?<!\\)\[(?=\d)|(?<=!)\[|<(?=[a-zA-Z/!?])")


def plain(text: str) -> str:
    """On one line; what would read as a mark of ours, show an image or be HTML is escaped."""
    return _MARKUP.sub(lambda sign: "\\" + sign[0], " ".join(text.split()))


def quoted(quote: Quote) -> str:
    """With the mark of its passage; without one where the passage is not shown in this turn."""
    return f"«{quote.text}»" + (f" [{quote.passage.number}]" if quote.passage.number else "")
