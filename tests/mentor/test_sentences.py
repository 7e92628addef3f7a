"""Where sentences begin and end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.mentor.sentences import split_sentences, stems


def pieces(text: str) -> list[str]:
    return [text[each.start : each.end] for each in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("See Fig. 3, e.g. the left one. Then go.", ["See Fig. 3, e.g. the left one.", "Then go."]),
        ("Dr. Smith met J. R. Miller. They spoke.", ["Dr. Smith met J. R. Miller.", "They spoke."]),
        ("Am 3. Mai begann es. Dann nicht.", ["Am 3. Mai begann es.", "Dann nicht."]),
        ("It costs 3.50 today. Cheap.", ["It costs 3.50 today.", "Cheap."]),
        ('"Really?" he said. "Yes."', ['"Really?" he said.', '"Yes."']),
        ("Soft\nwrapped line. Next.", ["Soft\nwrapped line.", "Next."]),
        ("# Title\nText here.", ["Title", "Text here."]),
        ("- one\n- two\n  goes on\n\nlast", ["one", "two\n  goes on", "last"]),
        ("1. first\n2. second", ["first", "second"]),
        ("> Quoted. Words.", ["Quoted.", "Words."]),
        ("最後の文です。次の文！", ["最後の文です。", "次の文！"]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_a_text_is_split_into_its_sentences(text: str, sentences: list[str]) -> None:
    assert pieces(text) == sentences


def test_code_and_tables_are_not_prose() -> None:
    text = "Before.\n\n```sql\nselect 1. From x\n\nwhere y\n```\n| a | b |\n| 1. | 2 |\nAfter."

    assert [each.kind for each in split_sentences(text)] == ["prose", "code", "table", "table", "prose"]


@given(st.text(alphabet=st.sampled_from('aB1 .!?\n#-`|>"»。…\t\r') | st.characters()))
def test_sentences_come_in_order_without_overlap_and_leave_out_no_word(text: str) -> None:
    found = split_sentences(text)

    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(left.end <= right.start for left, right in pairwise(found))
    outside = "".join(
        text[a:b] for a, b in zip([0, *(s.end for s in found)], [*(s.start for s in found), len(text)], strict=True)
    )
    assert not any(sign.isalpha() and sign not in "xX" for sign in outside)


def test_stems_bring_forms_of_a_word_together() -> None:
    assert stems("Joins join joined") == ["join"] * 3
    assert stems("connection") == stems("CONNECTIONS")
    assert stems("a x I 7 学习") == ["7", "学", "习"]


@pytest.mark.parametrize("size", [20_000])
@pytest.mark.parametrize("unit", [".", '!"', "- ", "> ", "`", "# ", "a. ", "|", "\n", "1. "])
def test_no_text_takes_more_than_time_in_proportion(unit: str, size: int) -> None:
    # Quadratic behaviour would take minutes here, and stop the whole suite.
    split_sentences(unit * (size // len(unit)))
