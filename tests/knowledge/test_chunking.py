"""Chunks follow the structure of a text, and are slices of it."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.chunking import MAX_SECTIONS, MAX_WHOLE, MAX_WORDS, split_into_chunks, word_count

SENTENCE = "The crew eases the main sheet before the boat bears away from the wind. "

PIECES = (
    "# One|## Two|### Three #|Title|===|---|||```python|```|~~~|- item|1. item|> quote|###|#hashtag|    indented|..."
    "|! ? .|né naïve|😀 emoji 👩‍👩‍👧|\t|a\u2028b| \u00a0|\u200b|\r"
)
LINES = st.lists(
    st.sampled_from(
        [*PIECES.split("|"), "| a | b |", "|---|---|", "| 1 | 2 |", SENTENCE, SENTENCE * 9, "字" * 400, "x" * 900]
    ),
    max_size=40,
)
TEXTS = st.one_of(LINES.map("\n".join), st.text(max_size=400), st.text("#`~|-= \n.a字", max_size=400))


@given(TEXTS, st.booleans())
def test_each_chunk_is_the_slice_that_it_says(text: str, structured: bool) -> None:
    end = 0
    for chunk in split_into_chunks(text, structured=structured):
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert chunk.start >= end
        end = chunk.end


@given(TEXTS)
def test_no_word_of_a_plain_text_is_lost(text: str) -> None:
    kept = "".join(chunk.text for chunk in split_into_chunks(text, structured=False))
    assert "".join(kept.split()) == "".join(text.split())


@given(TEXTS)
def test_no_chunk_is_much_longer_than_an_embedder_reads(text: str) -> None:
    for chunk in split_into_chunks(text):
        assert word_count(chunk.text) <= max(MAX_WHOLE, MAX_WORDS) + 60


def test_a_chunk_knows_the_headings_above_it() -> None:
    long = SENTENCE * 8
    text = f"# Sailing\n\n{long}\n\n## Rules\n\n### Right of way\n\n{long}\n\n## Knots\n\n{long}\n"
    assert [chunk.heading for chunk in split_into_chunks(text)] == [
        "Sailing",
        "Sailing › Rules › Right of way",
        "Sailing › Knots",
    ]


def test_underlined_headings_are_headings() -> None:
    text = f"Sailing\n=======\n\n{SENTENCE * 6}\n\nKnots\n-----\n\n{SENTENCE * 6}"
    assert [chunk.heading for chunk in split_into_chunks(text)] == ["Sailing", "Sailing › Knots"]


def test_a_comment_in_code_is_no_heading() -> None:
    [chunk] = split_into_chunks("# Setup\n\n```sh\n# not a heading\nmake demo\n```\n")
    assert chunk.heading == "Setup"
    assert "# not a heading" in chunk.text


def test_plain_text_has_no_headings() -> None:
    [chunk] = split_into_chunks("# a comment\n\nand a line", structured=False)
    assert (chunk.heading, chunk.text) == (None, "# a comment\n\nand a line")


def test_a_long_section_is_cut_evenly_and_at_sentences() -> None:
    chunks = split_into_chunks(SENTENCE * 30)
    sizes = [word_count(chunk.text) for chunk in chunks]
    assert len(chunks) == 3
    assert max(sizes) <= MAX_WORDS
    assert max(sizes) - min(sizes) < 60
    assert all(chunk.text.endswith("wind.") for chunk in chunks)


def test_code_and_tables_stay_whole() -> None:
    code = "```\n" + "value = compute(value, step)\n" * 40 + "```"
    table = "| knot | use |\n|---|---|\n" + "| bowline | a loop that holds |\n" * 30
    chunks = split_into_chunks(f"# A\n\n{SENTENCE * 10}\n\n{code}\n\n{SENTENCE * 10}\n\n{table}")
    assert any(code in chunk.text for chunk in chunks)
    assert any(table.strip() in chunk.text for chunk in chunks)


def test_what_is_too_long_to_stay_whole_is_cut_between_lines() -> None:
    lines = [f"print('line {number} of a program that goes on')" for number in range(400)]
    chunks = split_into_chunks("```\n" + "\n".join(lines) + "\n```")
    assert len(chunks) > 5
    assert all(line in (*lines, "```") for chunk in chunks for line in chunk.text.splitlines())


def test_short_sections_stay_together_with_their_headings() -> None:
    text = "# Knots\n\n## Bowline\n\nA loop.\n\n## Reef knot\n\nTwo ropes.\n\n## Clove hitch\n\nA post.\n"
    [chunk] = split_into_chunks(text)
    assert chunk.heading == "Knots"
    assert chunk.text == text[text.index("## Bowline") :].strip()


def test_a_text_of_headings_only_can_be_found() -> None:
    chunks = split_into_chunks("# Boats\n\n## Sails\n\n## Oars\n")
    assert " ".join(" ".join(chunk.text for chunk in chunks).split()) == "# Boats ## Sails ## Oars"


def test_nothing_gives_nothing() -> None:
    assert split_into_chunks("") == []
    assert split_into_chunks(" \n\t\n") == []


def test_scripts_without_spaces_are_measured_and_cut() -> None:
    chunks = split_into_chunks("帆船比赛的规则很多。" * 200)
    assert len(chunks) > 4
    assert all(word_count(chunk.text) <= MAX_WORDS for chunk in chunks)
    assert all(chunk.text.endswith("。") for chunk in chunks)


def test_headings_without_end_take_no_time_without_end() -> None:
    """Which a quadratic splitter would: this is 40,000 of them."""
    assert len(split_into_chunks("# \n" * 20_000 + "# A\n" * 20_000)) == 20_000 // MAX_SECTIONS
