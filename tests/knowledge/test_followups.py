"""What a question refers to."""

import pytest

from assistant.knowledge.followups import ANSWER_WORDS, Turn, find_context, leans, resume_search
from assistant.knowledge.language import detect_language

HISTORY: list[Turn] = [
    ("user", "Which knots does a sailor need?"),
    (
        "assistant",
        "The bowline, the clove hitch and the reef knot. " + "Practice each of them daily. " * 40 + "Start now.",
    ),
    ("user", "Is the bowline hard to learn?"),
    ("assistant", "No, ten minutes suffice."),
]


def test_the_first_question_continues_nothing() -> None:
    assert find_context("What about it?", [], "en") is None


def test_a_question_that_stands_alone_is_searched_for_alone() -> None:
    assert find_context("Which documents does a skipper carry on coastal passages?", HISTORY, "en") is None


@pytest.mark.parametrize("question", ["How do I tie it?", "and the second one?", "Why is that?"])
def test_a_question_that_points_back_leans_on_what_was_said(question: str) -> None:
    context = find_context(question, HISTORY, "en")
    assert context is not None
    assert context.share == 0.5
    assert [text for text, _ in context.texts] == [
        "Is the bowline hard to learn?", "No, ten minutes suffice.", "Which knots does a sailor need?"]  # fmt: skip
    assert context.summary.endswith(question)


def test_a_short_question_leans_a_little() -> None:
    context = find_context("Clove hitch", HISTORY, "en")
    assert context is not None
    assert context.share == 0.25
    assert max(weight for _, weight in context.texts) == pytest.approx(0.15)


def test_other_languages_point_back_too() -> None:
    context = find_context("Wie binde ich ihn?", HISTORY, "de")
    assert context is not None
    assert context.share == 0.5


def test_a_yes_is_about_the_end_of_the_last_answer() -> None:
    context = find_context("yes", HISTORY[:2], "en")
    assert context is not None
    answer = context.texts[1][0]
    assert answer.endswith("Start now.")
    assert len(answer.split()) == ANSWER_WORDS


def test_history_without_answers_will_do() -> None:
    context = find_context("How do I tie it?", [("user", "The bowline?")], "en")
    assert context is not None
    assert context.texts[1][0] == ""


@pytest.mark.parametrize(
    "question",
    ["yes", "Yes, please!", "go on", "Tell me more about it.", "Why?", "ja, erzähl mehr davon", "sí, más", "好的"],
)
def test_who_wants_to_hear_more_is_told_what_the_turn_before_was_about(question: str) -> None:
    resumed = resume_search(question, HISTORY, detect_language(question, "en"))
    assert resumed is not None
    assert resumed == ("Is the bowline hard to learn?", HISTORY[:2], "No, ten minutes suffice.")


def test_several_of_them_in_a_row_still_mean_the_last_question() -> None:
    history: list[Turn] = [*HISTORY, ("user", "go on"), ("assistant", "It holds well.")]
    resumed = resume_search("more", history, "en")
    assert resumed is not None
    assert (resumed[0], resumed[2]) == ("Is the bowline hard to learn?", "It holds well.")


@pytest.mark.parametrize(
    "question", ["Clove hitch", "And the second knot?", "Why does a hitch slip?", "yes " * 40, "结"]
)
def test_what_has_a_word_of_its_own_is_searched_for(question: str) -> None:
    assert resume_search(question, HISTORY, "en") is None


def test_a_first_yes_continues_nothing() -> None:
    assert resume_search("yes", [], "en") is None
    assert resume_search("yes", [("user", "ok"), ("assistant", "Fine.")], "en") is None


def test_what_leans_has_something_of_its_own() -> None:
    assert leans("How do I tie it?", HISTORY, "en")
    assert not leans("yes", HISTORY, "en")
    assert not leans("How do I tie it?", [], "en")
    assert not leans("Which documents does a skipper carry on coastal passages?", HISTORY, "en")
