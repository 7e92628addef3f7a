"""Summaries without a model: the sentences that say the most, word for word."""

import pytest

from assistant.llm.prompts import PromptLibrary
from assistant.mentor.events import Message
from assistant.mentor.offline import OfflineModel
from assistant.mentor.summaries import SUMMARY_CHARACTERS, Line, Summariser, Summary, extract, tell
from assistant.resources import resource_dir
from assistant.usage.reservations import unpaid
from tests.fixtures.briefing import answer, question, results


def created(title: str) -> Message:
    use = {"type": "tool_use", "id": "a", "name": "create_task", "input": {"title": title}}
    return {"role": "assistant", "content": [use]}


def test_what_is_told_is_what_was_said_and_done() -> None:
    turns = [question("Add one."), created("Buy a rope"), results("a"), answer("Done [1].")]

    assert list(tell(turns)) == [
        Line("Learner", "Add one."),
        Line("Done", "create_task {'title': 'Buy a rope'} → {}"),
        Line("Mentor", "Done."),
    ]


@pytest.mark.parametrize(
    "fact",
    [
        "My exam is on 14 March.",
        "Meine Prüfung ist am 14. März.",
        "Mi examen es el 14 de marzo.",
        "Mon examen est le 14 mars.",
    ],
)
def test_what_learners_say_of_themselves_is_kept(fact: str) -> None:
    fillers = [Line("Mentor", f"Thing {n} has {n} parts, as the text says in its chapter.") for n in range(400)]
    lines = [*fillers[:200], Line("Learner", f"{fact} What is a bowline?"), *fillers[200:]]

    summary = extract("", lines)

    assert f"- Learner: {fact}" in summary
    assert len(summary) <= SUMMARY_CHARACTERS


def test_a_summary_goes_on_from_the_one_before_it() -> None:
    first = extract("", [Line("Learner", "My name is Mira."), Line("Done", "create_task {} → {}")])

    second = extract(first, [Line("Learner", "I live in Bremen.")])

    assert second.splitlines() == [
        "- Learner: My name is Mira.",
        "- Done: create_task {} → {}",
        "- Learner: I live in Bremen.",
    ]


def test_what_was_said_twice_stands_once() -> None:
    said = extract("- Learner: My exam is on 14 March.", [Line("Learner", "So my exam is on 14 March.")])

    assert said == "- Learner: So my exam is on 14 March."


def test_nothing_worth_keeping_is_no_empty_summary() -> None:
    assert extract("", [Line("Mentor", "ok")])


async def test_a_summary_counts_its_turns_and_keeps_a_taint() -> None:
    summariser = Summariser(OfflineModel(), PromptLibrary(resource_dir("prompts")), "none")
    turns = [question("I am Mira."), answer("Hello."), question("I sail."), answer("Good.")]

    summary, call = await summariser.summarise(Summary("- Learner: I am ten.", tainted=True, turns=3), turns, unpaid)

    assert (summary.turns, summary.tainted, call.model) == (5, True, "offline")
    assert "I am ten." in summary.text
