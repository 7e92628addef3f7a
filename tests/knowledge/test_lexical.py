"""Lexemes: what a question and a text must have in common to be found by words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.lexical import MARK, MAX_LEXEME, MAX_QUERY, analyse, query_lexemes


def counts(text: str, language: str = "en") -> dict[str, int]:
    return dict(analyse([text], language).counts)


def test_english_words_are_found_in_all_their_forms() -> None:
    assert counts("Sailing boats") == counts("sailed BOAT") == {"sail": 1, "boat": 1}


def test_words_that_say_nothing_are_not_counted() -> None:
    assert counts("What is the use of it?") == {"use": 1}


def test_parts_of_names_are_words() -> None:
    assert counts("set_max_speed(v2.5) e-mail") == {"set": 1, "max": 1, "speed": 1, "v2": 1, "5": 1, "e": 1, "mail": 1}


@pytest.mark.parametrize(("one", "other"), [("naïve", "naive"), ("ﬁne", "fine"), ("ＡＢＣ", "abc"), ("don’t", "don't")])
def test_one_word_in_two_spellings(one: str, other: str) -> None:
    assert counts(one) == counts(other)


def test_other_languages_are_counted_in_pieces_that_forms_and_compounds_share() -> None:
    shared = counts("Segelbootes", "de").keys() & counts("Segelboot", "de").keys()
    assert {f"{MARK}sege", f"{MARK}boot"} <= shared
    assert counts("información", "es") == counts("informacion", "es")


def test_scripts_without_spaces_are_counted_in_pairs() -> None:
    assert counts("帆船", "zh") == {f"{MARK}帆船": 1}
    assert counts("帆船比赛", "zh") == {f"{MARK}帆船": 1, f"{MARK}船比": 1, f"{MARK}比赛": 1}
    assert counts("帆", "zh") == {f"{MARK}帆": 1}


def test_vowel_signs_do_not_cut_words() -> None:
    assert counts("नाव", "hi") == {f"{MARK}नाव": 1}


def test_a_chunk_is_as_long_as_its_words_are_many() -> None:
    assert analyse(["Sailing boats", "boats of the line"], "en").length == 4
    assert analyse(["Segelboote fahren"], "de").length == 2
    assert analyse(["帆船比赛"], "zh").length == 3


def test_a_question_is_looked_up_as_words_and_as_pieces() -> None:
    weights = query_lexemes([("Sailing boats", 1.0)])
    assert (weights["sail"], weights["boat"]) == (1.0, 1.0)
    assert weights[f"{MARK}sail"] == pytest.approx(1 / math.sqrt(4))
    assert weights[f"{MARK}boat"] == pytest.approx(1 / math.sqrt(2))


def test_earlier_turns_weigh_less() -> None:
    weights = query_lexemes([("knots", 1.0), ("knots and boats", 0.2)])
    assert [weights["knot"], weights["boat"]] == pytest.approx([1.2, 0.2])


def test_a_long_question_is_bounded() -> None:
    weights = query_lexemes([(" ".join(f"w{number}" for number in range(5_000)), 1.0), ("knot " * 9, 1.0)])
    assert len(weights) == MAX_QUERY
    assert "knot" in weights


@given(st.text(max_size=300), st.sampled_from(["en", "de", "zh", "und"]))
def test_no_text_fails_and_every_lexeme_can_be_stored(text: str, language: str) -> None:
    analysis = analyse([text], language)
    assert all(0 < len(lexeme) <= MAX_LEXEME and "\0" not in lexeme for lexeme in analysis.counts)
    assert (analysis.length > 0) == bool(analysis.counts)
    assert analysis.counts.keys() <= query_lexemes([(text, 1.0)]).keys() or len(query_lexemes([(text, 1)])) == MAX_QUERY
