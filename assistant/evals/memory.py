"""How much of what a learner said long ago the mentor still knows: a made conversation, with facts planted in it.

The learner says facts about themselves among many turns of questions and answers; at the end it is counted which of
them stand in what the model would be told: the summary, and the turns that are told word for word.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from assistant.chat.history import STEP_BYTES, cut_at
from assistant.mentor.briefing import read_turn
from assistant.mentor.events import Message
from assistant.mentor.history import prepare_history, write_summary
from assistant.mentor.summaries import Summariser, Summary, tell
from assistant.usage.reservations import unpaid

PASSAGE_BYTES: Final = 4_000
"""Of passages that come with a question: a turn with documents is mostly these."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence of the learner, and the words of it that must be known."""

    sentence: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What came of it."""

    facts: int
    known: int
    """In the summary, or word for word."""
    in_summary: int
    turns_told: int
    """Word for word."""
    summary_characters: int
    missed: list[str]


_FACTS: Final = (
    ("My name is {name}.", "{name}"),
    ("I was born in {town}.", "{town}"),
    ("My exam is on {day}.", "exam", "{day}"),
    ("I have decided to learn {number} words a day.", "{number} words"),
    ("My sister {name} helps me on weekends.", "sister", "{name}"),
    ("I work at the {thing} shop in {town}.", "{thing} shop", "{town}"),
    ("I can only study after {hour} o'clock.", "{hour} o'clock"),
    ("Please call me {name} from now on.", "call me {name}"),
    ("I find {topic} really hard.", "{topic}", "hard"),
    ("I already finished the chapter on {topic}.", "finished", "{topic}"),
    ("My goal is to pass {topic} by {day}.", "pass {topic}", "{day}"),
    ("I promised my teacher {name} an essay of {number} pages.", "{name}", "{number} pages"),
    ("I prefer examples about {thing}s.", "examples about {thing}s"),
    ("My budget for books is {number} euros.", "{number} euros"),
    ("We agreed that I skip {topic} until {day}.", "skip {topic}", "{day}"),
    ("Last year I failed {topic}.", "failed {topic}"),
    ("I have been learning for {number} months now.", "{number} months"),
    ("My train to {town} takes {number} minutes, and that is when I read.", "{town}", "{number} minutes"),
    ("I am allergic to {thing}s, so no examples with them.", "allergic to {thing}s"),
    ("My study group meets in {town} every Tuesday.", "study group", "{town}"),
    ("The password of the shelf is not for you, but its number is {number}.", "shelf", "{number}"),
    ("I am {number} years old.", "{number} years old"),
    ("Next week I am in {town} and cannot study.", "{town}", "cannot study"),
    ("My dog {name} always interrupts me.", "dog {name}"),
    ("I want to write my thesis about {topic}.", "thesis", "{topic}"),
)  # fmt: skip

_FILLERS: Final = (
    (
        "What does {topic} mean?",
        "{topic} is explained in the text [1]. It has {number} parts, and each follows from the one before.",
    ),
    (
        "Can you explain that again?",
        "Of course. Think of it as a {thing}: you see the outside first [2]. Then you look at what holds it together.",
    ),
    (
        "And why is that so?",
        "Because of how {topic} works [1]. In {town} this was shown in the year 18{number}.",
    ),
    ("Thanks, that makes sense.", "Glad to hear it. Shall we go on with {topic}?"),
    ("Which page is it on?", "It is on page {number} of the document [1]. You can read on from there."),
    (
        "Is it the same for a {thing}?",
        "Not quite. A {thing} has its own rules, as the section on {topic} says [3].",
    ),
    (
        "Let's go on.",
        "Next comes {topic}. The text gives {number} examples, and the second one is the simplest [1].",
    ),
    (
        "Who found that out?",
        "The text names {name}, who worked in {town} [2]. Others came to the same result later.",
    ),
    (
        "Could you give me an exercise on {topic}?",
        "Here is one: describe {topic} in your own words, with a {thing} as an example.",
    ),
    (
        "I see. What comes after {topic}?",
        "After it comes a short section with {number} questions to check yourself [1].",
    ),
    (
        "How many kinds of it are there?",
        "There are {number} kinds, of which the text describes the first three in detail [1].",
    ),
    ("ok", "Good. Tell me when you want to go on."),
)

_WORDS: Final = {
    "name": """
        Mira Jonas Clara Tomas Edda Piotr Yusuf Lena Oskar Ines Viktor Nadia Bruno Selma Arno Freya Igor
        Malin Rosa Timo Wanda Elio Greta Hugo
    """,
    "town": """
        Bremen Lyon Porto Graz Turin Lund Ghent Basel Krakow Bergen Cork Split Tartu Malaga Zagreb
        Leipzig Siena Oulu Delft Brno
    """,
    "topic": """
        algebra grammar photosynthesis harmony rhetoric magnetism genetics probability syntax erosion
        logic perspective ballistics metrics optics taxation ethics acoustics botany geometry
    """,
    "thing": """
        lantern bicycle kettle violin ladder compass basket mirror candle hammer clock bridge anchor
        pump garden spoon
    """,
}
_CHOICES: Final = {kind: words.split() for kind, words in _WORDS.items()}
_MONTHS: Final = ("January", "March", "April", "June", "July", "September", "October", "December")


def make_conversation(turns: int, facts: int, seed: int) -> tuple[list[tuple[str, str]], list[Fact]]:
    """Questions and answers, and the facts that were said in them, spread over all but the last turns."""
    chance = random.Random(seed)  # noqa: S311 - the same conversation for everybody
    said = [_make_fact(chance, number) for number in range(facts)]
    places = sorted(chance.sample(range(turns), facts))
    conversation = []
    for turn in range(turns):
        question, answer = (_fill(part, _draw(chance)) for part in chance.choice(_FILLERS))
        if turn in places:
            question = f"{said[places.index(turn)].sentence} {question}"
            answer = f"Noted. {answer}"
        conversation.append((question, answer))
    return conversation, said


def _make_fact(chance: random.Random, number: int) -> Fact:
    sentence, *words = _FACTS[number % len(_FACTS)]
    values = _draw(chance)
    return Fact(_fill(sentence, values), tuple(_fill(word, values) for word in words))


def _draw(chance: random.Random) -> dict[str, str]:
    drawn = {kind: chance.choice(words) for kind, words in _CHOICES.items()}
    day = f"{chance.randint(1, 28)} {chance.choice(_MONTHS)}"
    return drawn | {"number": str(chance.randint(11, 89)), "hour": str(chance.randint(5, 11)), "day": day}


def _fill(text: str, values: dict[str, str]) -> str:
    return text.format_map(values)


def as_messages(question: str, answer: str) -> list[Message]:
    """A turn as it is stored."""
    passages = "The text says this and that. " * (PASSAGE_BYTES // 29)
    asked = [
        f"<passages-0a1b2c3d>\n{passages}\n</passages-0a1b2c3d>",
        f"<question-0a1b2c3d>\n{question}\n</question-0a1b2c3d>",
    ]
    return [
        {"role": "user", "content": [{"type": "text", "text": text} for text in asked]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]


async def measure_memory(summariser: Summariser, *, turns: int, facts: int, seed: int) -> Remembered:
    """Hold such a conversation, and see what is known at its end. Raises ModelError."""
    conversation, said = make_conversation(turns, facts, seed)
    told = [as_messages(question, answer) for question, answer in conversation]
    sizes = [sum(len(msgspec.json.encode(message["content"])) for message in turn) for turn in told]
    before = [sum(sizes[:place]) for place in range(turns)]
    cut = cut_at(sum(sizes))
    summary: Summary | None = None
    for step in range(cut // STEP_BYTES):
        taken = [turn for turn, size in zip(told, before, strict=True) if size // STEP_BYTES == step]
        if taken:
            summary, _ = await summariser.summarise(summary, [message for turn in taken for message in turn], unpaid)
    recent = [message for turn, size in zip(told, before, strict=True) if size >= cut for message in turn]
    return _count(said, summary, recent)


def _count(said: Sequence[Fact], summary: Summary | None, recent: Sequence[Message]) -> Remembered:
    front = [write_summary(summary.text, tainted=summary.tainted)] if summary else []
    history = prepare_history([*front, *recent])
    lines = (summary.text if summary else "").splitlines()
    spoken = [line.text for line in tell(history)]
    in_summary = [fact for fact in said if _is_known(fact, lines)]
    missed = [fact.sentence for fact in said if fact not in in_summary and not _is_known(fact, spoken)]
    return Remembered(
        facts=len(said),
        known=len(said) - len(missed),
        in_summary=len(in_summary),
        turns_told=sum(1 for message in recent if read_turn(message["content"])),
        summary_characters=len(summary.text) if summary else 0,
        missed=missed,
    )


def _is_known(fact: Fact, texts: Sequence[str]) -> bool:
    """All of its words stand together, in one line or one message."""
    return any(all(word.casefold() in text.casefold() for word in fact.words) for text in texts)
