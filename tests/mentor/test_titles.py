"""What a conversation is called where no model names it."""

import pytest

from assistant.mentor.titles import TITLE_CHARACTERS, title_of


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is a bowline?", "What is a bowline?"),
        ("Hi! can you explain the wind? I am new.", "The wind?"),
        ("Hallo, kannst du mir bitte sagen, wie ich segle?", "Wie ich segle?"),
        ("  add a task:\n read chapter 2  ", "Add a task: read chapter 2"),
        ("Hola, ¿qué es un nudo?", "¿qué es un nudo?"),
        ("什么是绳结？我想学。", "什么是绳结？"),
        ("hello", "Hello"),
        ("...", "…"),
        ("# Heading", "Heading"),
    ],
)
def test_it_is_the_question_without_its_politeness(question: str, title: str) -> None:
    assert title_of(question) == title


def test_a_long_question_is_cut_between_words() -> None:
    title = title_of("How " + "word " * 100)

    assert len(title) <= TITLE_CHARACTERS + 1
    assert title.endswith("word…")
