"""The offline tutor and examiner: questions made of the documents' words, answers held against them."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.retrieval import Passage
from assistant.llm.events import Completed, ModelRequest
from assistant.mentor.context import build_question
from assistant.mentor.offline import OfflineModel
from assistant.mentor.offline.lessons import GAP
from assistant.mentor.offline.phrases import PHRASES
from tests.fixtures.briefing import MARKER, learner_state, passage

BOWLINE = "## Bowline\nThe bowline makes a loop that does not slip. It is easy to untie after a load."
ENGLISH = [
    passage(BOWLINE, heading="Bowline"),
    passage("A cleat hitch makes a boat fast to a dock.", heading="Cleat hitch"),
]
GERMAN = [passage("Der Palstek bildet eine feste Schlaufe am Ende eines Seils.", title="Knoten")]


async def converse(role: str, passages: Sequence[Passage], *questions: str) -> list[str]:
    """The mentor's answers, each question with these passages."""
    system = [{"type": "text", "text": f"Rules\n\n## Your role here: {role}\n\nWords"}]
    messages: list[dict[str, Any]] = []
    answers = []
    for question in questions:
        messages.append({"role": "user", "content": build_question(learner_state(), passages, question, MARKER)})
        request = ModelRequest("offline", system, messages, [], 1000)
        last = [event async for event in OfflineModel().stream(request)][-1]
        assert isinstance(last, Completed)
        messages.append({"role": "assistant", "content": last.blocks})
        answers.append(str(last.blocks[0]["text"]))
    return answers


async def test_a_tutor_asks_helps_and_confirms() -> None:
    asked, hinted, right = await converse("tutor", ENGLISH, "What is a bowline?", "a knot", "It is a loop!")
    assert asked == PHRASES["en"].gap_asked.format(
        gap=f"«The bowline makes a {GAP} that does not slip.»", place="Knots › Bowline"
    )
    assert "4 letters" in hinted
    assert "“l”" in hinted
    assert "loop" not in hinted
    assert right.startswith("Right")
    assert "«The bowline makes a loop that does not slip.» [1]" in right


@pytest.mark.parametrize("given_up", [["I give up"], ["I don’t know."], ["rope", "sail"]])
async def test_a_tutor_tells_who_gives_up_or_has_tried_twice(given_up: list[str]) -> None:
    said = (await converse("tutor", ENGLISH, "What is a bowline?", *given_up))[-1]
    assert said.startswith("It is “loop”")


async def test_a_tutor_goes_on_in_the_language_of_the_conversation() -> None:
    asked, hinted, solved = await converse("tutor", GERMAN, "Was ist ein Palstek?", "Knoten", "Seil")
    assert "Welches Wort" in asked
    assert "8 Buchstaben" in hinted
    assert solved.startswith("Es ist „Schlaufe“")


async def test_a_new_question_to_a_tutor_is_a_new_question() -> None:
    _, second = await converse("tutor", ENGLISH, "What is a bowline?", "What makes a boat fast to a dock?")
    assert "hitch makes a boat fast" in second
    assert GAP in second


async def test_an_examiner_asks_all_there_is_once_and_gives_nothing_away() -> None:
    answers = await converse(
        "examiner", ENGLISH, "Quiz me on knots", "a hint?", "What is it?", "the loop", "next", "next", "next"
    )
    asked, *refused = answers[:3]
    assert GAP in asked
    assert refused == [PHRASES["en"].exam_no_hint.format(gap=f"«The bowline makes a {GAP} that does not slip.»")] * 2
    assert answers[3].startswith("Correct")
    assert answers[-1] == PHRASES["en"].exam_done
    assert not any("[" in answer for answer in [asked, *refused, *answers[4:]])


async def test_where_nothing_is_found_both_say_so() -> None:
    for role in ("tutor", "examiner"):
        assert await converse(role, [], "What is dark matter?") == [PHRASES["en"].nothing]


async def test_a_tutor_quotes_what_does_not_answer_directly() -> None:
    [answer] = await converse("tutor", [passage("Gusts come before rain.")], "Who won the chess olympiad?")
    assert answer.startswith(PHRASES["en"].closest)


ODD = ["The bowline makes a loop.", "Ein Seil hält viel aus.", f"A {GAP} gap.", "«Quote»", "[1]", "{gap}", "%s", "\n"]
texts = st.lists(st.sampled_from(ODD) | st.text(max_size=20), max_size=6).map(" ".join)


@given(texts, texts, st.sampled_from(["tutor", "examiner"]))
async def test_no_text_breaks_it(text: str, question: str, role: str) -> None:
    answers = await converse(role, [passage(text), passage(question)], question or "?", text or "!", "next", question)
    assert all(answers)
