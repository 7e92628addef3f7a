"""How the offline tutor and examiner ask: a sentence of a passage with a gap, and what came of the learner's answer.

    «The bowline makes a _____ that does not slip.»

The question is made of the document's own words, and so is what the answer is held against. Nothing is kept in between:
the gap is found again in the conversation, its word in the passages.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from assistant.knowledge.language import detect_language
from assistant.mentor.briefing import ReadTurn, ShownPassage
from assistant.mentor.offline.phrases import Phrases, phrases_in
from assistant.mentor.offline.quoting import ASKING, Quote, choose_quotes, plain, quoted
from assistant.mentor.offline.reports import place_of
from assistant.mentor.sentences import split_sentences, stems

GAP: Final = "_____"

GAP_CHARACTERS: Final = 300
"""A sentence that is longer is no question any more."""

GAP_WORDS: Final = 5
"""One that is shorter can be filled in too many ways."""

ATTEMPTS: Final = 2
"""A tutor's learner gets the solution after so many."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A sentence without one of its words."""

    text: str
    word: str
    quote: Quote
    """The whole sentence."""


_WORD: Final = re.compile(r"(?<![\w\\])[^\W\d_]{4,}(?!\w)")
_OPEN: Final = re.compile(rf"«([^\n]*?{GAP}[^\n]*?)»")
_GIVES_UP: Final = re.compile(
    r"\W*(?:i give up|i don'?t know|no idea|(?:please )?(?:tell|show) me|ich gebe auf|keine ahnung|weiß ich nicht"
    r"|ich weiß (?:es )?nicht|sag(?: es)? mir|me rindo|no (?:lo )?sé|ni idea|dímelo|j'abandonne|je ne sais pas"
    r"|dis-le-moi)\W*",
    re.IGNORECASE,
)
_HINT: Final = re.compile(r"\b(?:hints?|tipps?|hinweis|pistas?|indices?|help|hilfe|ayuda|aide)\b", re.IGNORECASE)


_QUESTION: Final = re.compile(r"\?\s*$")
_NEXT: Final = re.compile(
    r"\b(?:next|another|nächste|noch eine|andere|siguiente|otra|suivante|une autre)\b", re.IGNORECASE
)


def teach(role: str, turns: Sequence[ReadTurn], answers: Sequence[str], phrases: Phrases) -> str | None:
    """A question to the learner, or what came of their answer to one; None where there is none to ask.

    `turns` are the learner's so far and `answers` the mentor's, of which the last may have asked something.
    """
    if role not in ("tutor", "examiner"):
        return None
    turn, examines = turns[-1], role == "examiner"
    asked, times = _open_gap(answers)
    if asked and not (_NEXT if examines else _QUESTION).search(turn.question):
        earlier = [replace(each, number=0) for before in reversed(turns[:-1]) for each in before.passages or ()]
        gap = next(_filled(asked, [*(turn.passages or ()), *earlier]), None)
        if gap is not None:
            spoken = phrases_in(turn.language or detect_language(answers[-1], turn.state.preferred_language or "en"))
            return _graded(gap, turn.question, spoken) if examines else _helped(gap, turn.question, times, spoken)
    passages = [passage for passage in turn.passages or () if passage.text.strip()]
    if not passages:
        return None
    chosen = choose_quotes(turn.question, passages)
    if not examines:
        best = _closest(chosen.quotes, turn.question) if chosen.direct else []
        return _ask(phrases.gap_asked, best, turn.question, passages, set())
    known = {found[1] for answer in answers for found in _OPEN.finditer(answer)}
    sentences = [*_closest(chosen.quotes, turn.question), *_closest([Quote(each, each.text) for each in passages], "")]
    return _ask(phrases.exam_asked, sentences, "", passages, known) or phrases.exam_done


def _closest(quotes: Iterable[Quote], question: str) -> list[Quote]:
    """The single sentences of `quotes`, those of each in the order in which they have most of the question."""
    wanted = set(stems(question))
    found: list[Quote] = []
    for quote in quotes:
        sentences = [quote.text[each.start : each.end] for each in split_sentences(quote.text) if each.kind == "prose"]
        ranked = sorted(sentences, key=lambda text: -len(wanted.intersection(stems(text))))
        found += [Quote(quote.passage, plain(text)) for text in ranked]
    return found


def asks_back(answer: str) -> bool:
    """Whether it is such a question, which needs no source: it would hold the answer."""
    return bool(_OPEN.search(answer))


def _open_gap(answers: Sequence[str]) -> tuple[str, int]:
    """The sentence that the last of the mentor's answers left open, and how often it was asked; "", 0: none."""
    asked, times = "", 0
    for answer in reversed(answers):
        found = _OPEN.search(answer)
        if found is None or (asked and found[1] != asked):
            break
        asked, times = found[1], times + 1
    return asked, times


def _graded(gap: Gap, said: str, phrases: Phrases) -> str:
    right = _is_right(gap, said)
    if not right and (_HINT.search(said) or _QUESTION.search(said)):
        return phrases.exam_no_hint.format(gap=f"«{gap.text}»")
    return (phrases.exam_right if right else phrases.exam_wrong).format(word=gap.word, quote=quoted(gap.quote))


def _helped(gap: Gap, said: str, times: int, phrases: Phrases) -> str:
    if _is_right(gap, said):
        return phrases.gap_right.format(word=gap.word, quote=quoted(gap.quote))
    if times >= ATTEMPTS or _GIVES_UP.fullmatch(said.replace("’", "'")):
        return phrases.gap_solved.format(word=gap.word, quote=quoted(gap.quote))
    return phrases.gap_hint.format(first=gap.word[0], letters=len(gap.word), gap=f"«{gap.text}»")


def _is_right(gap: Gap, said: str) -> bool:
    return not set(stems(gap.word)).isdisjoint(stems(said))


def _ask(
    sentence: str, quotes: Iterable[Quote], given: str, passages: Sequence[ShownPassage], known: Collection[str]
) -> str | None:
    """The first question that can be made of `quotes` and is not `known`; no word of `given` is asked for."""
    for quote in quotes:
        gap = _make_gap(quote, given, passages)
        if gap is not None and gap.text not in known:
            return sentence.format(gap=f"«{gap.text}»", place=place_of(quote.passage.title, quote.passage.heading))
    return None


def _make_gap(quote: Quote, question: str, passages: Sequence[ShownPassage]) -> Gap | None:
    """The rarest word is left out that the question does not have, of equals a name or noun, then the longest."""
    if len(quote.text) > GAP_CHARACTERS or len(quote.text.split()) < GAP_WORDS or quote.text.endswith("…"):
        return None
    frequency = Counter(stem for passage in passages for stem in stems(passage.text))
    given = ASKING | set(stems(question))
    words = [word for word in _WORD.finditer(quote.text) if not given.intersection(stems(word[0]))]
    words = [word for word in words if _occurs_once(word[0], quote.text)]
    if not words:
        return None
    best = max(
        words, key=lambda word: (-_rarity(word[0], frequency), word.start() > 0 and word[0][0].isupper(), len(word[0]))
    )
    return Gap(f"{quote.text[: best.start()]}{GAP}{quote.text[best.end() :]}", best[0], quote)


def _rarity(word: str, frequency: Counter[str]) -> int:
    return sum(frequency[stem] for stem in stems(word))


def _occurs_once(word: str, text: str) -> bool:
    return len(re.findall(re.escape(word), text, re.IGNORECASE)) == 1


def _filled(asked: str, passages: Sequence[ShownPassage]) -> Iterator[Gap]:
    """The sentence as the passages have it."""
    before, _, after = asked.partition(GAP)
    pattern = re.compile(rf"{re.escape(before)}([^\W\d_]+){re.escape(after)}")
    for passage in passages:
        if found := pattern.search(plain(passage.text)):
            yield Gap(asked, found[1], Quote(passage, found[0]))
