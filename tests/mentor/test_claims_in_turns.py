"""Turns in which the model says that it acted: the learner sees what did not happen, the next turn's model knows."""

from uuid import uuid4

import pytest

from assistant.mentor.claims.checking import AT_ONCE, CORRECTION, TOLD, TOLD_CHARACTERS
from assistant.mentor.events import Notice, TurnRecord
from assistant.mentor.summaries import extract, tell
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.scripted_model import Reply, ToolUse, say
from tests.fixtures.turns import Bench, Notebook, Shelf, Told

WRITES = '{"tools": {"create_task": "auto", "create_goal": "auto", "update_module_progress": "auto"}}'
TASK = ToolUse("create_task", {"title": "Buy rope"})
GOAL = ToolUse("create_goal", {"title": "Sail"}, id="toolu_02")
NO_MODULE = ToolUse("update_module_progress", {"module_id": str(uuid4()), "completion_percentage": 50})


@pytest.fixture
async def ada(make_person: MakePerson) -> Person:
    return await make_person(config=WRITES)


def contradictions(told: Told) -> list[Notice]:
    return [event for event in told.events if isinstance(event, Notice) and event.name == "claim_not_backed"]


def of(told: Told) -> tuple[str, list[str]]:
    (notice,) = contradictions(told)
    assert notice in told.record.notices
    return notice.value["reason"], notice.value["claims"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Add a task: buy rope", "Done! I've added the task."),
        ("Setze meinen Fortschritt auf 50 %", "Erledigt: Ich habe deinen Fortschritt auf 50 % gesetzt."),
        ("Crea una tarea", "Listo, tarea creada."),
        ("Crée un objectif", "J'ai créé l'objectif."),
        ("Mark module 2 as done", "Done."),
    ],
)
async def test_what_no_tool_did_is_contradicted(bench: Bench, ada: Person, question: str, answer: str) -> None:
    told = await bench.ask(ada, question, say(answer))
    reason, claims = of(told)
    assert reason == "nothing"
    assert " ".join(claims) == answer
    assert told.record.text == answer


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([say(NO_MODULE), say("I've set your progress to 50 %.")], ("nothing", ["I've set your progress to 50 %."])),
        (
            [say("One moment. ", TASK), say("I've created the task. I've created the goal, too.")],
            ("partly", ["I've created the goal, too."]),
        ),
        ([say(TASK), say("I've created two tasks.")], ("partly", ["I've created two tasks."])),
    ],
    ids=["failed", "one of two", "fewer"],
)
async def test_what_was_done_is_told_from_what_was_not(
    bench: Bench, ada: Person, replies: list[Reply], expected: tuple[str, list[str]]
) -> None:
    assert of(await bench.ask(ada, "Please do it", *replies)) == expected


@pytest.mark.parametrize(
    ("question", "replies"),
    [
        ("Add a task", [say(TASK), say("Done! I've added “Buy rope” to your tasks.")]),
        ("Füge beides hinzu", [say(TASK, GOAL), say("Ich habe die Aufgabe und das Ziel angelegt.")]),
        ("How do I plan?", [say("You could add a task. Shall I add one?")]),
    ],
)
async def test_what_was_done_or_not_claimed_is_left_alone(
    bench: Bench, ada: Person, question: str, replies: list[Reply]
) -> None:
    assert contradictions(await bench.ask(ada, question, *replies)) == []


async def test_a_tool_that_is_off_did_nothing(bench: Bench, make_person: MakePerson) -> None:
    person = await make_person(config='{"tools": {"create_task": "off"}}')
    told = await bench.ask(person, "Add a task", say(TASK), say("I've added the task."))
    assert of(told) == ("nothing", ["I've added the task."])


async def test_what_was_executed_before_the_answer_went_on_bears_it_out(bench: Bench, ada: Person) -> None:
    record = TurnRecord(executed=["create_task"])
    told = await bench.ask(ada, "Add a task", say("I've added the task."), record=record)
    assert contradictions(told) == []


async def test_the_next_turn_is_told_and_keeps_the_beginning(bench: Bench, ada: Person) -> None:
    first = await bench.ask(ada, "Add a task", say("I've added the task."))
    earlier = [{"role": role, "content": blocks} for role, blocks in first.notebook.steps]
    await bench.ask(ada, "What is next?", say("Read on."), notebook=Notebook(earlier))
    before, after = (request.body["messages"] for request in bench.server.requests)
    assert after[0]["content"] == [{k: v for k, v in b.items() if k != "cache_control"} for b in before[0]["content"]]
    answer, note = after[1]["content"]
    assert answer == {"type": "text", "text": "I've added the task."}
    assert note["text"].startswith(CORRECTION)
    assert "“I've added the task.”" in note["text"]


async def test_the_note_is_not_taken_for_what_the_mentor_said(bench: Bench, ada: Person) -> None:
    first = await bench.ask(ada, "Add a task", say("I've added the task."))
    earlier = [{"role": role, "content": blocks} for role, blocks in first.notebook.steps]
    shelf = Shelf()
    await bench.ask(ada, "And the wind?", say("It turns."), notebook=Notebook(earlier), shelf=shelf)
    assert shelf.asked[0][1] == [("user", "Add a task"), ("assistant", "I've added the task.")]


async def test_what_was_left_out_of_an_answer_is_known_to_the_next_turn_alone(
    bench: Bench, make_person: MakePerson
) -> None:
    person = await make_person(config='{"grounding": "strict"}')
    told = await bench.ask(person, "Send it", say("I've emailed your coach about the regatta."))
    assert "regatta" not in told.record.text
    assert contradictions(told) == []
    [note] = told.notebook.steps[-1][1]
    assert note["text"].startswith(CORRECTION)


async def test_a_summary_keeps_the_note_beside_the_claim(bench: Bench, ada: Person) -> None:
    told = await bench.ask(ada, "Set module 2 to 50 %", say("I've set your progress in module 2 to 50 %."))
    lines = tell([{"role": role, "content": blocks} for role, blocks in told.notebook.steps])
    assert f"- Done: {CORRECTION}nothing was changed" in extract("", list(lines))


async def test_an_earlier_turn_bears_out_what_is_told_of_it(bench: Bench, ada: Person) -> None:
    first = await bench.ask(ada, "Add a task", say(TASK), say("I've added the task."))
    earlier = [{"role": role, "content": blocks} for role, blocks in first.notebook.steps]
    asked = await bench.ask(ada, "Did you add it?", say("Yes, I've added the task."), notebook=Notebook(earlier))
    assert contradictions(asked) == []
    again = await bench.ask(ada, "Add another", say("I've added the task."), notebook=Notebook(earlier))
    assert of(again)[0] == "nothing"


async def test_a_notice_repeats_a_few_sentences_and_not_all_of_them(bench: Bench, ada: Person) -> None:
    long = "I've added the task " + "and more " * 100 + "to it."
    many = " ".join(f"I've added task number {n}." for n in range(10))
    answer = f"{long} {many} " + "And so on. " * (AT_ONCE // 10)
    _, claims = of(await bench.ask(ada, "Add tasks", say(answer)))
    assert len(claims) == TOLD
    assert max(map(len, claims)) <= TOLD_CHARACTERS
