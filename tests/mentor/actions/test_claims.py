"""An answer is held against what the learner allowed: over HTTP, with approvals in between."""

from assistant.mentor.claims.checking import CORRECTION
from tests.fixtures.scripted_model import ToolUse, say
from tests.mentor.actions.conftest import Event, Learner, MakeLearner, create_task, no, text_of, yes


def contradictions(events: list[Event]) -> list[Event]:
    return [each["value"] for each in events if each["type"] == "CUSTOM" and each["name"] == "claim_not_backed"]


async def test_a_claim_without_a_call_is_told_stored_and_known_later(ada: Learner) -> None:
    events = await ada.ask("Add a task", replies=(say("Sure. ", "I've added", " the task."),))
    value = {"reason": "nothing", "claims": ["I've added the task."]}
    assert text_of(events) == "Sure. I've added the task."
    assert contradictions(events) == [value]
    [_, answer] = (await ada.client.get(f"/api/spaces/{ada.person.space_id}/messages")).json()["items"]
    assert answer["message"] == "Sure. I've added the task."
    assert {"name": "claim_not_backed", "value": value} in answer["metadata"]["notices"]
    exported = (await ada.client.get(f"/api/spaces/{ada.person.space_id}/threads/{ada.thread_id}/export")).text
    assert "*(Nothing was changed, though the mentor says so: “I've added the task.”)*" in exported
    await ada.ask("What is next?", replies=(say("Read on."),))
    said, note = ada.told()[1]["content"]
    assert said["text"] == "Sure. I've added the task."
    assert note["text"].startswith(CORRECTION)


async def test_what_was_approved_is_borne_out(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"), text="I've added the task.")
    ada.model.script(say("I've added the task “Tie a bowline”."))
    assert contradictions(await ada.resume(yes(interrupt))) == []


async def test_what_was_refused_is_not(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"))
    ada.model.script(say("I've added the task."))
    [value] = contradictions(await ada.resume(no(interrupt)))
    assert value == {"reason": "nothing", "claims": ["I've added the task."]}


async def test_one_of_two_that_was_approved_is_one(ada: Learner) -> None:
    first, second = await ada.proposed(create_task("One", "a"), create_task("Two", "b"))
    ada.model.script(say("I've created both tasks."))
    [value] = contradictions(await ada.resume(yes(first), no(second)))
    assert value == {"reason": "partly", "claims": ["I've created both tasks."]}


async def test_what_ran_unasked_before_the_approval_counts(make_learner: MakeLearner) -> None:
    bob = await make_learner(tools={"create_goal": "auto"})
    goal = ToolUse("create_goal", {"title": "Sail"}, id="g")
    [interrupt] = await bob.proposed(goal, create_task("Read", "t"))
    bob.model.script(say("I've created the goal and the task."))
    assert contradictions(await bob.resume(yes(interrupt))) == []


async def test_what_is_not_even_proposed_is_told_while_the_rest_waits(ada: Learner) -> None:
    said = "I've added the task. I've deleted the goal."
    events = await ada.ask("Do both", replies=(say(said, create_task("Tie a bowline")),))
    assert contradictions(events) == [{"reason": "nothing", "claims": ["I've deleted the goal."]}]
    [interrupt] = events[-1]["outcome"]["interrupts"]
    ada.model.script(say("The task is there."))
    assert contradictions(await ada.resume(yes(interrupt))) == []
    assert await ada.tasks() == ["Tie a bowline"]
