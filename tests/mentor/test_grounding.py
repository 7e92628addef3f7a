"""Under `grounding: strict` only what has a verified source is said, or what says nothing of the world."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assistant.db.session import Database
from assistant.errors import UnavailableError
from assistant.llm.events import ModelError, TextDelta
from assistant.mentor.events import TurnRecord
from assistant.mentor.grounding import ground
from assistant.mentor.offline.phrases import PHRASES
from tests.fixtures.database import MakePerson
from tests.fixtures.scripted_model import Reply, ToolUse, say
from tests.fixtures.turns import Bench, Shelf, add_document

STATE = """Now: 2026-11-24 14:05 UTC, Tuesday
Space: Sailing
Modules, with their id and this learner's progress:
- 00000000-0000-0000-0000-000000000080 · 40 % · Knots
Open tasks, the next due first:
- Buy rope · due 2026-12-01 · high"""


def sieve(text: str, language: str = "en") -> str:
    """With sources behind 1 and 2."""
    return ground(text, {1, 2}, [STATE], language=language, searched=True).text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The bowline makes a loop [1]. It was invented in 1627.", "The bowline makes a loop [1]."),
        ("It was invented in 1627. The bowline makes a loop [1].", "The bowline makes a loop [1]."),
        ("It holds. [1] It was invented in 1627. [7] It slips not. [2]", "It holds. [1] It slips not. [2]"),
        ("It holds.[1] Smith invented it.[9] It slips not.[1][2]", "It holds.[1] It slips not.[1][2]"),
        ("It holds, e.g. [1] in a storm.", "It holds, e.g. [1] in a storm."),
        (
            "Here is what the documents say:\n\n- It holds [1].\n- Smith invented it.\n- It slips not [2].",
            "Here is what the documents say:\n\n- It holds [1].\n- It slips not [2].",
        ),
        ("Two kinds [1]:\n- bowline\n- hitch\n\nNobody uses them.", "Two kinds [1]:\n- bowline\n- hitch"),
        ("It holds [1].\n\nHistory:\n- Smith invented it.", "It holds [1]."),
        ("1. Make a loop [1].\n2. Pray.\n3. Pull [2].", "1. Make a loop [1].\n3. Pull [2]."),
        (
            "# Knots\n## Use\nIt holds [1].\n## History\nSmith.\n## End\nIt slips not [2].",
            "# Knots\n## Use\nIt holds [1].\n## End\nIt slips not [2].",
        ),
        (
            "| knot | use |\n|---|---|\n| bowline | loop [1] |\n| hitch | rail |",
            "| knot | use |\n|---|---|\n| bowline | loop [1] |",
        ),
        ("It holds [1]. Run `[2]`. Smith invented it.", "It holds [1]."),
        ("Run this [1]:\n```\nprint(1)\n```\nIt prints lines.", "Run this [1]:\n```\nprint(1)\n```"),
        ("Der Palstek hält [1]. Er wurde 1627 erfunden. Soll ich suchen?", "Der Palstek hält [1]. Soll ich suchen?"),
        ("You are at 40 % of Knots. You are at 80 % of Knots.", "You are at 40 % of Knots."),
        ("Your next task: **Buy rope**, due 2026-12-01. It costs 12.", "Your next task: **Buy rope**, due 2026-12-01."),
    ],
)  # fmt: skip
def test_what_has_no_source_is_left_out(text: str, kept: str) -> None:
    assert sieve(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "Hello! How can I help you?",
        "The documents do not answer this. I can search with other words.",
        "Dazu steht in den Dokumenten nichts. Soll ich mit anderen Wörtern suchen?",
        "Los documentos no dicen nada sobre eso.",
        "Les documents ne disent rien à ce sujet.",
        "Your next task is Buy rope, due 2026-12-01.",
        "It holds [1].",
        "",
    ],
)
def test_what_says_nothing_of_the_world_stays_as_it_is(text: str) -> None:
    language = {"Da": "de", "Lo": "es", "Le": "fr"}.get(text[:2], "en")
    assert sieve(text, language) == text


CLAIMS = ["The Soviet Union won it.", "Yes.", "No, it does not.", "There are two.", "1972.", "```\nx = 1\n```"]


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("talk", ["{}", "Hello! {} Shall I look further?", "Here is what I found:\n\n- {}"])
def test_where_nothing_of_substance_is_left_the_documents_are_said_to_be_silent(claim: str, talk: str) -> None:
    for language in ("en", "de", "es", "fr"):
        grounded = ground(talk.format(claim), set(), [STATE], language=language, searched=True)
        assert grounded.text == PHRASES[language].nothing
        assert grounded.withheld >= 1
    assert ground(claim, set(), [], language="en", searched=False).text == PHRASES["en"].unsearched


PARTS = [
    "Ships sink.",
    "It holds [1].",
    "[1]",
    "[9]",
    "# Head",
    "- item",
    "\n",
    "\n\n",
    " ",
    "| a |",
    "|---|",
    "```",
    "So:",
    "Why?",
    "\x00",
]


@pytest.mark.parametrize(("part", "stays"), [("known", 0.9), ("unseen", 0.7)])
def test_claims_are_told_from_talk(part: str, stays: float) -> None:
    sentences = yaml.safe_load(Path(__file__).with_name("grounding.yaml").read_text())[part]
    kept = {
        (kind, sentence): not ground(sentence, set(), [STATE], language=language).withheld
        for language, kinds in sentences.items()
        for kind, listed in kinds.items()
        for sentence in listed
    }
    assert not [sentence for (kind, sentence), is_kept in kept.items() if kind == "claims" and is_kept]
    talk = [is_kept for (kind, _), is_kept in kept.items() if kind == "talk"]
    assert sum(talk) >= stays * len(talk)


answers = st.lists(st.sampled_from(PARTS) | st.text(max_size=8), max_size=14).map("".join)


@given(answers)
def test_no_text_breaks_it_and_nothing_is_added(text: str) -> None:
    grounded = ground(text, {1}, [STATE], language="en", searched=True)
    if grounded.withheld and grounded.text != PHRASES["en"].nothing:
        left = iter(text)
        assert all(sign in left for sign in grounded.text if not sign.isspace())
    if not grounded.withheld:
        assert grounded.text == text


STRICT = json.dumps({"grounding": "strict"})


async def test_a_strict_answer_is_held_until_it_is_checked(
    bench: Bench, database: Database, make_person: MakePerson
) -> None:
    person = await make_person(config=STRICT)
    shelf = Shelf([await add_document(database, person, "The bowline makes a loop. It does not slip.")])
    told = await bench.ask(person, "What is a bowline?", say("It makes a loop [1]. ", "Smith ", "did it."), shelf=shelf)
    assert [event.text for event in told.events if isinstance(event, TextDelta)] == ["It makes a loop [1]."]
    assert told.record.text == "It makes a loop [1]."
    assert told.notices == ["text_withheld"]
    assert [citation.index for citation in told.record.citations] == [1]
    assert told.notebook.steps[-1][1] == [{"type": "text", "text": "It makes a loop [1]. Smith did it."}]


async def test_an_open_answer_is_sent_as_it_comes(bench: Bench, make_person: MakePerson) -> None:
    told = await bench.ask(await make_person(), "What is a bowline?", say("A knot. ", "Smith did it."))
    assert [event.text for event in told.events if isinstance(event, TextDelta)] == ["A knot. ", "Smith did it."]
    assert told.notices == ["no_sources"]


async def test_a_mark_whose_quote_stands_nowhere_is_no_source(
    bench: Bench, database: Database, make_person: MakePerson
) -> None:
    person, stranger = await make_person(config=STRICT), await make_person()
    shelf = Shelf([await add_document(database, stranger, "A secret of another.")])
    told = await bench.ask(person, "Was ist das für ein Geheimnis?", say("Ein Geheimnis [1]."), shelf=shelf)
    assert told.record.text == PHRASES["de"].nothing
    assert told.notices == ["text_withheld", "no_sources"]


async def test_under_strict_nothing_is_said_of_documents_out_of_reach(bench: Bench, make_person: MakePerson) -> None:
    person = await make_person(config=json.dumps({"grounding": "strict", "language": "fr"}))
    shelf = Shelf(failure=UnavailableError("The embedder is away."))
    told = await bench.ask(person, "What is a bowline?", say("A knot of sailors."), shelf=shelf)
    assert told.record.text == PHRASES["fr"].unsearched


async def test_under_strict_tools_still_tell_what_is_to_be_done(bench: Bench, make_person: MakePerson) -> None:
    person = await make_person(config=json.dumps({"grounding": "strict", "tools": {"create_task": "auto"}}))
    call = ToolUse("create_task", {"title": "Practise the bowline", "priority": "high"})
    told = await bench.ask(person, "Add a task", say("I will. ", call), say("Added: Practise the bowline, high."))
    assert "Added: Practise the bowline, high." in told.record.text


async def test_under_strict_what_the_learner_is_asked_to_approve_is_spoken_of(
    bench: Bench, make_person: MakePerson
) -> None:
    call = ToolUse("create_task", {"title": "Practise the bowline"})
    person = await make_person(config=STRICT)
    told = await bench.ask(
        person, "Add a task", say(call), say("I would add Practise the bowline. Smith swears by it.")
    )
    assert told.record.text == "I would add Practise the bowline."
    silent = await bench.ask(person, "Add a task", say(call), say("Smith swears by it."))
    assert (silent.record.text, silent.notices) == ("", ["text_withheld"])


async def test_a_strict_answer_that_breaks_off_is_not_shown(bench: Bench, make_person: MakePerson) -> None:
    whole = say("It was so. ", "And more.")
    record = TurnRecord()
    cut, person = Reply(whole.steps, cut_after=whole.body.index(b"And more.")), await make_person(config=STRICT)
    with pytest.raises(ModelError):
        await bench.ask(person, "What?", cut, record=record)
    assert record.text == ""
