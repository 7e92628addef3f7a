"""A mark becomes a quote that stands in its passage, and only a quote that stands in the document stays."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.db.session import Database
from assistant.mentor.citations import MAX_QUOTE, Citation, cite, find_marks, unknown_marks, verify
from tests.fixtures.briefing import passage
from tests.fixtures.database import MakePerson, Person, make_user

KNOTS = passage(
    "The bowline makes a loop that does not slip. It is easy to untie after a load. "
    "A cleat hitch makes a boat fast to a dock. The reef knot ties two ends of one rope.",
    heading="Knots › Loops",
    page=3,
    start=1000,
)
WIND = passage("The wind turns right when it comes from the shore. Gusts come before rain.", title="Wind")


def indexes(text: str) -> list[tuple[int, ...]]:
    return [mark.indexes for mark in find_marks(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("So it is [1].", [(1,)]),
        ("So it is.[1][2]", [(1,), (2,)]),
        ("So it is [1, 2] and [3 ,4].", [(1, 2), (3, 4)]),
        ("No mark: [a] [ 1 ] [1.2] [] 1] [1 [-1] [12345]", []),
        (r"Escaped: \[1]", []),
        ("A link: [1](https://example.org)", []),
        ("Code: `list[1]` and ``a`[2]`` but [3]", [(3,)]),
        ("```\nlist[1]\n```\nText [2]\n~~~ py\nx[3]\n~~~\n[4]", [(2,), (4,)]),
        ("An open fence:\n```\nlist[1]", []),
        ("An open tick ` and [1]", [(1,)]),
        ("", []),
    ],
)
def test_marks_are_found_outside_of_code(text: str, found: list[tuple[int, ...]]) -> None:
    assert indexes(text) == found


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("First thing. Second thing [1]. Third [2].", ["Second thing", "Third"]),
        ("First thing. Second thing. [1]", ["Second thing"]),
        ("Ropes are long [1] and knots are short [2].", ["Ropes are long", "and knots are short"]),
        ("Both say it [1][2], also [3]", ["Both say it", "Both say it", "also"]),
        ("Intro:\n- one thing [1]\n- other thing [2]", ["one thing", "other thing"]),
        ("Look: «A loop. It holds.» [1]", ["A loop. It holds."]),
        ("[1] says that ropes are long. More.", ["says that ropes are long"]),
    ],
)
def test_a_mark_stands_behind_the_words_before_it(text: str, claims: list[str]) -> None:
    assert [mark.claim.strip(" -«") for mark in find_marks(text)] == claims


def test_the_quote_is_what_supports_the_sentence_best() -> None:
    assert cite("You can make a boat fast to the dock with a cleat hitch [1].", [KNOTS, WIND]) == [
        Citation(
            index=1,
            chunk_id=KNOTS.chunk_id,
            document_id=KNOTS.document_id,
            title="Knots",
            heading="Knots › Loops",
            page=3,
            quote="A cleat hitch makes a boat fast to a dock.",
            start=1079,
            end=1121,
        )
    ]


def test_two_sentences_are_quoted_where_the_answer_rests_on_both() -> None:
    [citation] = cite("A bowline is a loop that does not slip and that is easy to untie after a load [1].", [KNOTS])

    assert citation.quote == "The bowline makes a loop that does not slip. It is easy to untie after a load."


def test_a_number_is_cited_once_with_its_best_quote_and_numbers_stay() -> None:
    citations = cite(
        "Something vague [2]. Gusts come before rain [2]. A reef knot ties two ends [1]. Gusts [2]", [KNOTS, WIND]
    )

    assert [(each.index, each.quote) for each in citations] == [
        (1, "The reef knot ties two ends of one rope."),
        (2, "Gusts come before rain."),
    ]


def test_numbers_that_were_not_shown_are_no_citations_and_are_told() -> None:
    text = "True [1]. False [3]. Mixed [1, 9]. Null [0]."

    assert [each.index for each in cite(text, [KNOTS, WIND])] == [1]
    assert [text[mark.start : mark.end] for mark in unknown_marks(text, 2)] == ["[3]", "[1, 9]", "[0]"]


def test_without_a_word_in_common_the_beginning_is_quoted() -> None:
    [citation] = cite("船は速い [1]", [KNOTS])

    assert citation.quote == "The bowline makes a loop that does not slip."


def test_headings_are_not_quoted() -> None:
    [citation] = cite("About the bowline [1]", [passage("# Bowline\n\nThe bowline holds.")])

    assert citation.quote == "The bowline holds."


def test_a_long_sentence_is_quoted_around_what_was_said() -> None:
    long = passage("word " * 200 + "the harbour master closes the gate at nine " + "word " * 200)

    [citation] = cite("The harbour master closes the gate at nine [1].", [long])

    assert "harbour master closes the gate at nine" in citation.quote
    assert len(citation.quote) <= MAX_QUOTE


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_passage_is_no_source(text: str) -> None:
    assert cite("So it is [1].", [passage(text)]) == []


words = st.text(
    alphabet=st.sampled_from("abcdeABC 0123.!?,;:\n«»\"'`#-|[]()学习\u0301🎓") | st.characters(), max_size=300
)


@given(
    answer=st.lists(
        st.one_of(words, st.sampled_from([" [1]", "[2]", " [1, 2]", "[7]", "```", "`", ". "])), max_size=12
    ),
    texts=st.lists(words, min_size=1, max_size=4),
    offset=st.integers(0, 5000),
)
def test_every_citation_is_a_verbatim_slice_of_its_document(answer: list[str], texts: list[str], offset: int) -> None:
    document = "x" * offset + "".join(texts)
    starts = [offset + sum(map(len, texts[:place])) for place in range(len(texts))]
    passages = [passage(text, start=start) for text, start in zip(texts, starts, strict=True)]

    citations = cite("".join(answer), passages)

    for citation in citations:
        assert document[citation.start : citation.end] == citation.quote
        assert 0 < len(citation.quote) <= MAX_QUOTE
        assert citation.quote.strip() == citation.quote
        assert citation.document_id == passages[citation.index - 1].document_id
    assert [each.index for each in citations] == sorted({each.index for each in citations})
    marked = {index for mark in find_marks("".join(answer)) for index in mark.indexes}
    assert {each.index for each in citations} == {
        index for index in marked if 1 <= index <= len(texts) and texts[index - 1].strip()
    }


@pytest.mark.parametrize("unit", ["[1]", "`", "```\n", "[1, ", "a[1] ", "“", ".", "``` ", "~~~\n", "[1]\n"])
def test_no_answer_takes_more_than_time_in_proportion(unit: str) -> None:
    # Quadratic behaviour would take minutes here, and stop the whole suite.
    cite(unit * (20_000 // len(unit)), [KNOTS, WIND])


async def add_document(database: Database, person: Person, content: str) -> UUID:
    document_id = uuid4()
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql(
            "insert into documents (id, space_id, title, content) values (%s, %s, 'Knots', %s)",
            (document_id, person.space_id, content),
        )
    return document_id


async def test_a_quote_must_stand_in_its_document(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    content = f"# Größe 🎓\n\n{KNOTS.text}"
    document = await add_document(database, person, content)
    true = cite("A cleat hitch makes a boat fast [1].", [replace(KNOTS, document_id=document, start=11)])
    invented = [replace(true[0], index=2, quote="A knot of gold.")]
    of_nowhere = [replace(true[0], index=3, document_id=uuid4())]

    kept = await verify(database, person.principal, [*invented, *true, *of_nowhere])

    assert kept == true
    assert content[kept[0].start : kept[0].end] == kept[0].quote


async def test_a_quote_is_found_where_an_edited_document_has_it_now(
    database: Database, make_person: MakePerson
) -> None:
    person = await make_person()
    document = await add_document(database, person, f"New first line.\n{KNOTS.text}")
    [cited] = cite("A cleat hitch makes a boat fast [1].", [replace(KNOTS, document_id=document, start=0)])

    [kept] = await verify(database, person.principal, [cited])

    assert (kept.start, kept.end) == (cited.start + 16, cited.end + 16)


async def test_a_document_of_another_space_verifies_nothing(database: Database, make_person: MakePerson) -> None:
    owner, (stranger, _) = await make_person(), await make_user(database)
    document = await add_document(database, owner, KNOTS.text)
    cited = cite("A cleat hitch makes a boat fast [1].", [replace(KNOTS, document_id=document, start=0)])

    principal = replace(owner.principal, user_id=stranger)
    assert await verify(database, principal, cited) == []
    assert await verify(database, principal, []) == []
