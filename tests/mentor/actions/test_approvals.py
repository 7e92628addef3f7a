"""A write that needs the learner's word: proposed, answered from anywhere, done once, told from what is stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from ag_ui.core import Event as AguiEvent
from ag_ui.core import ResumeEntry, RunAgentInput, UserMessage
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from websockets.asyncio.client import connect as open_websocket

from assistant.db.errors import DatabaseUnavailableError
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.mentor.actions import repository, service
from assistant.mentor.actions.service import Actions
from assistant.mentor.context import Scene
from assistant.mentor.toolbox import WRITE_TOOLS
from assistant.mentor.toolspec import read_arguments
from assistant.spaces.mentor_config import MentorConfig
from tests.fixtures.database import MakePerson, join_space
from tests.fixtures.http import LiveService
from tests.fixtures.scripted_model import ToolUse, say
from tests.mentor.actions.conftest import (
    Learner,
    MakeLearner,
    create_task,
    kinds,
    no,
    results_of,
    text_of,
    yes,
)

AGUI: TypeAdapter[AguiEvent] = TypeAdapter(AguiEvent)


async def test_a_write_under_ask_waits_and_nothing_is_changed(ada: Learner) -> None:
    events = await ada.ask(replies=(say("I would add this.", create_task("Tie a bowline", due_date="2026-12-01")),))
    for event in events:
        AGUI.validate_python(event)
    [interrupt] = events[-1]["outcome"]["interrupts"]
    assert "TOOL_CALL_RESULT" not in kinds(events)
    assert interrupt["reason"] == "tool_approval"
    assert interrupt["toolCallId"] == "toolu_01"
    assert interrupt["message"] == "Create the task “Tie a bowline”, due 2026-12-01?"
    assert interrupt["responseSchema"]["properties"]["arguments"]["properties"]["title"]["type"] == "string"
    assert await ada.tasks() == []
    run = (await ada.client.get(f"/api/runs/{events[0]['runId']}")).json()
    assert run["status"] == "awaiting_approval"
    assert run["last_seq"] == len(events)
    listed = (await ada.client.get("/api/actions?status=proposed")).json()["items"]
    assert [(each["id"], each["status"], each["tool"]) for each in listed] == [
        (interrupt["id"], "proposed", "create_task")
    ]
    assert listed[0]["thread_id"] == ada.thread_id
    assert listed[0]["run_id"] == events[0]["runId"]


async def test_under_strict_grounding_what_was_approved_is_spoken_of_and_nothing_else(
    make_learner: MakeLearner, make_person: MakePerson
) -> None:
    ada = await make_learner(person=await make_person(config='{"grounding": "strict"}'))
    events = await ada.ask(
        replies=(say("I would add Tie a bowline. Smith swears by it.", create_task("Tie a bowline")),)
    )
    assert text_of(events) == "I would add Tie a bowline."
    ada.model.script(say("Splendid! Your task Tie a bowline is there. Smith invented it in 1627."))
    assert text_of(await ada.resume(yes(events[-1]["outcome"]["interrupts"][0]))) == "Your task Tie a bowline is there."
    [interrupt] = await ada.proposed(create_task("Tie a hitch"))
    ada.model.script(say("Smith invented it."))
    assert text_of(await ada.resume(yes(interrupt))) == ""


async def test_an_approved_write_is_done_and_the_model_goes_on(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"))
    ada.model.script(say("Your task is there."))
    events = await ada.resume(yes(interrupt))
    assert events[-1]["outcome"] == {"type": "success"}
    assert text_of(events) == "Your task is there."
    assert await ada.tasks() == ["Tie a bowline"]
    [result] = results_of(events)
    assert result["status"] == "done"
    asked, told = ada.told()[-2:]
    assert [block["type"] for block in asked["content"]] == ["text", "tool_use"]
    assert [block["tool_use_id"] for block in told["content"]] == ["toolu_01"]
    assert json.loads(told["content"][0]["content"]) == result
    action = await ada.action(interrupt["id"])
    assert (action["status"], action["result"]) == ("executed", result)
    assert action["message"] == "The task “Tie a bowline” was created."
    runs = await ada.rows("select status from assistant.runs where user_id = %s order by created_at", ada.person.id)
    assert runs == [("completed",), ("completed",)]


async def test_it_is_asked_and_answered_over_a_websocket_in_the_protocols_own_words(
    ada: Learner, acting_service: LiveService
) -> None:
    def sent(**body: Any) -> str:
        made = RunAgentInput(thread_id=ada.thread_id, run_id=uuid4().hex, **body)
        return made.model_dump_json(by_alias=True, exclude_none=True)

    token = acting_service.token(ada.person.id)
    address = f"ws://{acting_service.host}/api/spaces/{ada.person.space_id}/agent/ws"
    async with open_websocket(address, subprotocols=["ag-ui.v1", f"bearer.{token}"]) as socket:  # type: ignore[list-item]

        async def last_event() -> Any:
            while (event := AGUI.validate_json(await socket.recv())).type != "RUN_FINISHED":
                assert event.type != "RUN_ERROR"
            return event

        ada.model.script(say(create_task("One")), say("Done."))
        await socket.send(sent(messages=[UserMessage(id=uuid4().hex, content="Do it")]))
        [interrupt] = (await last_event()).outcome.interrupts
        answer = ResumeEntry(interrupt_id=interrupt.id, status="resolved", payload={"approved": True})
        await socket.send(sent(messages=[], resume=[answer]))
        assert (await last_event()).outcome.type == "success"
    assert await ada.tasks() == ["One"]


async def test_a_rejected_write_is_not_done_and_the_model_knows(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"))
    ada.model.script(say("As you like."))
    events = await ada.resume(no(interrupt))
    assert results_of(events)[0]["code"] == "rejected"
    assert "said no" in ada.told()[-1]["content"][0]["content"]
    assert await ada.tasks() == []
    assert (await ada.action(interrupt["id"]))["status"] == "rejected"


async def test_a_cancelled_interrupt_is_a_no(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"))
    ada.model.script(say("As you like."))
    await ada.resume({"interruptId": interrupt["id"], "status": "cancelled"})
    assert (await ada.action(interrupt["id"]))["status"] == "rejected"


async def test_arguments_can_be_edited(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("Tie a bowline"))
    ada.model.script(say("Done."))
    events = await ada.resume(yes(interrupt, {"title": "Tie two bowlines", "priority": "high"}))
    assert await ada.tasks() == ["Tie two bowlines"]
    assert results_of(events)[0]["edited_by_learner"] is True
    action = await ada.action(interrupt["id"])
    assert action["arguments"] == {"title": "Tie two bowlines", "priority": "high"}


async def test_some_can_be_answered_first(ada: Learner) -> None:
    interrupts = await ada.proposed(create_task("One", "a"), create_task("Two", "b"), create_task("Three", "c"))
    asked = len(ada.model.requests)
    first = await ada.resume(yes(interrupts[1]))
    assert [each["id"] for each in first[-1]["outcome"]["interrupts"]] == [interrupts[0]["id"], interrupts[2]["id"]]
    assert len(results_of(first)) == 1
    assert await ada.tasks() == ["Two"]
    assert len(ada.model.requests) == asked  # the model is not asked before all is answered
    ada.model.script(say("Two and three, then."))
    last = await ada.resume(no(interrupts[0]), yes(interrupts[2]))
    assert last[-1]["outcome"]["type"] == "success"
    assert await ada.tasks() == ["Three", "Two"]
    assert [block["tool_use_id"] for block in ada.told()[-1]["content"]] == ["a", "b", "c"]
    messages = (await ada.client.get(f"/api/spaces/{ada.person.space_id}/messages")).json()["items"]
    assert [each["message"] for each in messages] == ["Please do it.", "I would do this.", "Two and three, then."]
    assert {each["status"] for each in messages} == {"completed"}


async def test_what_was_shown_before_the_approval_can_be_cited_after_it(ada: Learner) -> None:
    document = {"title": "Knots", "content": "The bowline makes a loop that does not slip."}
    made = (await ada.client.post(f"/api/spaces/{ada.person.space_id}/documents", json=document)).json()

    async def is_ready() -> bool:
        read = (await ada.client.get(f"/api/documents/{made['id']}")).json()
        return bool(read["indexing"]["status"] == "ready")

    async with asyncio.timeout(60):
        while not await is_ready():  # noqa: ASYNC110 - a job
            await asyncio.sleep(0.02)
    ada.model.script(say("Shall I add it?", create_task("Tie a bowline")))
    events = await ada.ask("Which knot makes a loop that does not slip? Add a task to practise it.")
    [interrupt] = events[-1]["outcome"]["interrupts"]
    ada.model.script(say("Added. The bowline makes a loop that does not slip [1]."))
    resumed = await ada.resume(yes(interrupt))
    [cited] = [event["value"] for event in resumed if event.get("name") == "citations"]
    assert [(each["index"], each["quote"]) for each in cited] == [(1, document["content"])]
    kept = await ada.rows("select cardinality(shown) from assistant.runs where user_id = %s", made["created_by"])
    assert kept == [(1,), (1,)]


async def test_reads_of_the_same_reply_are_done_and_kept(ada: Learner) -> None:
    [interrupt] = await ada.proposed(
        ToolUse("list_tasks", {}, id="r1"), create_task("One", "w"), ToolUse("list_goals", {}, id="r2")
    )
    ada.model.script(say("Done."))
    await ada.resume(yes(interrupt))
    results = {block["tool_use_id"]: json.loads(block["content"])["status"] for block in ada.told()[-1]["content"]}
    assert results == {"r1": "done", "w": "done", "r2": "done"}


@pytest.mark.parametrize("what", ["approve", "reject"])
async def test_it_can_be_answered_over_http(ada: Learner, what: str) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    answered = await ada.send(interrupt["id"], what)
    assert answered.status_code == 200, answered.text
    done = what == "approve"
    assert answered.json()["status"] == ("executed" if done else "rejected")
    assert await ada.tasks() == (["One"] if done else [])
    again = await ada.send(interrupt["id"], "reject" if done else "approve")
    assert again.status_code == 200
    assert again.json() == answered.json()
    assert await ada.tasks() == (["One"] if done else [])
    [(status,)] = await ada.rows("select status from assistant.runs where user_id = %s", ada.person.id)
    assert status == "completed"


async def test_what_was_answered_elsewhere_the_model_hears_in_the_next_turn(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    await ada.send(interrupt["id"], "approve")
    await ada.ask("And now?", replies=(say("It is there."),))
    roles = [message["role"] for message in ada.told()]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    [result] = ada.told()[2]["content"]
    assert result["tool_use_id"] == "toolu_01"
    assert json.loads(result["content"])["status"] == "done"


async def test_what_is_not_answered_the_model_does_not_take_for_done(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    await ada.ask("What else?", replies=(say("Nothing."),))
    assert json.loads(ada.told()[2]["content"][0]["content"])["code"] == "awaiting_approval"
    late = await ada.resume(yes(interrupt))
    assert text_of(late) == "The task “One” was created."  # in the words of what is stored, and by no model
    assert await ada.tasks() == ["One"]
    await ada.ask("Thanks", replies=(say("Welcome."),))
    assert [message["role"] for message in ada.told()] == ["user", "assistant"] * 3 + ["user"] + ["assistant", "user"]


async def test_a_resume_after_an_answer_over_http_lets_the_model_go_on(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    await ada.send(interrupt["id"], "approve")
    ada.model.script(say("There it is."))
    events = await ada.resume(no(interrupt))
    assert text_of(events) == "There it is."
    assert await ada.tasks() == ["One"]
    repeated = await ada.resume(yes(interrupt))
    assert repeated == events  # the run in which it went on, and no second one


async def test_many_answers_at_once_have_one_effect(ada: Learner) -> None:
    interrupts = await ada.proposed(create_task("One", "a"), create_task("Two", "b"))
    ada.model.answer = lambda _: say("Done.")
    try:
        ways = [ada.send(interrupts[0]["id"], "approve") for _ in range(6)]
        ways += [ada.send(interrupts[1]["id"], way) for way in ("approve", "reject") * 3]
        answers = await asyncio.gather(*ways)
    finally:
        ada.model.answer = None
    assert {answer.status_code for answer in answers} == {200}
    second = (await ada.action(interrupts[1]["id"]))["status"]
    assert second in ("executed", "rejected")
    assert await ada.tasks() == (["One", "Two"] if second == "executed" else ["One"])


async def test_two_resumes_at_once_go_on_once(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    asked = len(ada.model.requests)
    ada.model.script(say("Done."))
    sent = [{"threadId": ada.thread_id, "runId": uuid4().hex, "resume": [yes(interrupt)]} for _ in range(4)]
    path = f"/api/spaces/{ada.person.space_id}/agent"
    answers = await asyncio.gather(*(ada.client.post(path, json=body) for body in sent))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(ada.model.requests) == asked + 1
    assert await ada.tasks() == ["One"]


async def test_anothers_action_is_not_there(ada: Learner, make_learner: MakeLearner) -> None:
    bob = await make_learner()
    [interrupt] = await ada.proposed(create_task("One"))
    await join_space(ada.database, ada.person.space_id, bob.person.id, "admin")
    await ada.rows("update spaces set visibility = 'shared' where id = %s returning 1", ada.person.space_id)
    assert (await bob.client.get(f"/api/actions/{interrupt['id']}")).status_code == 404
    assert (await bob.client.get("/api/actions")).json()["items"] == []
    for what in ("approve", "reject", "undo"):
        assert (await bob.send(interrupt["id"], what)).status_code == 404
    bob.space_id, bob.thread_id = ada.person.space_id, ada.thread_id
    refused = await bob.client.post(
        f"/api/spaces/{ada.person.space_id}/agent",
        json={"threadId": ada.thread_id, "runId": uuid4().hex, "resume": [yes(interrupt)]},
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_interrupt")
    assert await ada.tasks() == []
    assert (await ada.action(interrupt["id"]))["status"] == "proposed"


async def refusal(learner: Learner, **body: Any) -> tuple[int, str]:
    sent = {"threadId": learner.thread_id, "runId": uuid4().hex, **body}
    response = await learner.client.post(f"/api/spaces/{learner.person.space_id}/agent", json=sent)
    return response.status_code, response.json()["code"]


async def test_answers_that_are_none(ada: Learner, make_learner: MakeLearner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    assert await refusal(ada, resume=[{"interruptId": "x", "status": "resolved", "payload": {"approved": True}}]) == (
        404,
        "unknown_interrupt",
    )
    assert await refusal(ada, resume=[{"interruptId": interrupt["id"], "status": "resolved"}]) == (422, "invalid")
    assert await refusal(ada, resume=[yes(interrupt)], threadId="another") == (404, "unknown_interrupt")
    assert (await refusal(ada, resume=[yes(interrupt, {"title": ""})]))[0] == 422
    assert (await refusal(ada, resume=[yes(interrupt, {"title": "x", "user_id": str(uuid4())})]))[0] == 422
    assert (await ada.send(interrupt["id"], "approve", {"arguments": {"title": 7}})).status_code == 422
    assert (await ada.send(interrupt["id"], "approve", {"arguments": [1]})).status_code == 422
    assert (await ada.action(interrupt["id"]))["status"] == "proposed"
    assert await ada.tasks() == []


async def test_an_expired_proposal_cannot_be_approved(ada: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LIFETIME", timedelta(0))
    [interrupt] = await ada.proposed(create_task("One"))
    assert (await ada.action(interrupt["id"]))["status"] == "expired"
    for what in ("approve", "reject"):
        answered = await ada.send(interrupt["id"], what)
        assert (answered.status_code, answered.json()["status"]) == (200, "expired")
    ada.model.script(say("Too late."))
    events = await ada.resume(yes(interrupt))
    assert results_of(events)[0]["code"] == "expired"
    assert await ada.tasks() == []


async def test_a_run_that_nobody_answers_ends_with_its_proposals(
    ada: Learner, actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LIFETIME", timedelta(0))
    await ada.proposed(create_task("One"))
    await actions.sweep()
    stored = await ada.rows(
        "select a.status, r.status from assistant.mentor_actions a join assistant.runs r on r.id = a.run_id"
        " where a.user_id = %s",
        ada.person.id,
    )
    assert stored == [("expired", "completed")]


async def test_what_cannot_be_done_is_not_asked_for(ada: Learner, make_learner: MakeLearner) -> None:
    bob = await make_learner()
    [(others,)] = await bob.rows(
        "insert into tasks (space_id, title) values (%s, 'His') returning id", bob.person.space_id
    )
    ada.model.script(
        say(
            ToolUse("update_task", {"task_id": str(others), "title": "Mine"}, id="a"),
            ToolUse("update_task", {"task_id": str(uuid4()), "title": "Mine"}, id="b"),
            ToolUse("create_task", {"title": "x", "space_id": str(bob.person.space_id)}, id="c"),
            ToolUse("create_goal", {"title": "Learn to sail"}, id="d"),
        ),
        say("None of it."),
    )
    events = await ada.ask()
    assert events[-1]["outcome"]["type"] == "success"
    assert [result["status"] for result in results_of(events)] == ["failed"] * 4
    assert results_of(events)[3]["code"] == "title_taken"
    assert await bob.tasks() == ["His"]
    assert (await ada.client.get("/api/actions")).json()["items"] == []


async def test_what_is_proposed_leaves_nothing_behind(ada: Learner) -> None:
    [(task,)] = await ada.rows(
        "insert into tasks (space_id, title) values (%s, 'One') returning id", ada.person.space_id
    )
    before = await ada.rows("select to_jsonb(t) from tasks t where id = %s", task)
    [interrupt] = await ada.proposed(ToolUse("update_task", {"task_id": str(task), "status": "completed"}))
    assert interrupt["message"] == "Change the task “One”: status pending → completed?"
    assert await ada.rows("select to_jsonb(t) from tasks t where id = %s", task) == before


async def test_what_was_changed_since_it_was_shown_is_not_overwritten(ada: Learner) -> None:
    [(task,)] = await ada.rows(
        "insert into tasks (space_id, title) values (%s, 'One') returning id", ada.person.space_id
    )
    [interrupt] = await ada.proposed(ToolUse("update_task", {"task_id": str(task), "status": "completed"}))
    await ada.rows("update tasks set status = 'in_progress' where id = %s returning 1", task)
    answered = (await ada.send(interrupt["id"], "approve")).json()
    assert (answered["status"], answered["result"]["code"]) == ("failed", "changed_since")
    assert "nothing was changed" in answered["message"]
    assert await ada.rows("select status from tasks where id = %s", task) == [("in_progress",)]


async def test_what_has_gone_since_fails_and_says_so(ada: Learner) -> None:
    [(task,)] = await ada.rows(
        "insert into tasks (space_id, title) values (%s, 'One') returning id", ada.person.space_id
    )
    [interrupt] = await ada.proposed(ToolUse("update_task", {"task_id": str(task), "title": "Two"}))
    await ada.rows("delete from tasks where id = %s returning 1", task)
    ada.model.script(say("It is gone."))
    events = await ada.resume(yes(interrupt))
    assert results_of(events)[0]["status"] == "failed"
    assert ada.told()[-1]["content"][0]["is_error"] is True
    assert (await ada.action(interrupt["id"]))["status"] == "failed"


async def test_an_edit_cannot_name_another_row(ada: Learner) -> None:
    first, second = [
        row[0]
        for row in await ada.rows(
            "insert into tasks (space_id, title) select %s, unnest(array['One', 'Two']) returning id",
            ada.person.space_id,
        )
    ]
    [interrupt] = await ada.proposed(ToolUse("update_task", {"task_id": str(first), "title": "New"}))
    edited = {"task_id": str(second), "title": "New"}
    refused = await ada.send(interrupt["id"], "approve", {"arguments": edited})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "arguments.task_id")
    assert await ada.tasks() == ["One", "Two"]


async def test_who_has_lost_the_right_cannot_use_an_approval(ada: Learner, make_learner: MakeLearner) -> None:
    bob = await make_learner(person=ada.person)
    cleo = await make_learner()
    await ada.rows("update spaces set visibility = 'shared' where id = %s returning 1", ada.person.space_id)
    await join_space(ada.database, ada.person.space_id, cleo.person.id, "editor")
    cleo.space_id = ada.person.space_id
    one, two = await cleo.proposed(create_task("One", "a"), create_task("Two", "b"))
    await ada.rows("update space_collaborators set role = 'viewer' where user_id = %s returning 1", cleo.person.id)
    answered = (await cleo.send(one["id"], "approve")).json()
    assert (answered["status"], answered["result"]["code"]) == ("failed", "forbidden")
    await ada.rows("delete from space_collaborators where user_id = %s returning 1", cleo.person.id)
    assert (await cleo.send(two["id"], "approve")).status_code == 404
    assert await bob.tasks() == []


async def test_a_tool_that_was_turned_off_since_is_not_used(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    await ada.rows(
        "update spaces set ai_mentor_config = %s where id = %s returning 1",
        json.dumps({"tools": {"create_task": "off"}}),
        ada.person.space_id,
    )
    answered = (await ada.send(interrupt["id"], "approve")).json()
    assert (answered["status"], answered["result"]["code"]) == ("failed", "tool_off")
    assert await ada.tasks() == []


async def test_what_may_be_done_unasked_is_done_and_told_as_an_action(make_learner: MakeLearner) -> None:
    ada = await make_learner(tools={"create_task": "auto"})
    events = await ada.ask(replies=(say(create_task("One")), say("Done.")))
    assert events[-1]["outcome"]["type"] == "success"
    assert await ada.tasks() == ["One"]
    [action] = (await ada.client.get("/api/actions")).json()["items"]
    assert (action["status"], action["reason"], action["result"]) == ("executed", None, results_of(events)[0])


async def test_a_call_is_done_once_whatever_becomes_of_its_answer(
    ada: Learner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change was made, and the answer to it got lost: what is stored tells, and nothing is done again."""
    [(run,)] = await ada.rows(
        "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until)"
        " values (%s, %s, 't', %s, gen_random_uuid(), now() + '1 hour') returning id",
        ada.person.id,
        ada.person.space_id,
        uuid4().hex,
    )
    scene = Scene(ada.person.principal, ada.person.space_id, MentorConfig(), True, "0a1b2c3d", datetime.now(UTC))
    tool = WRITE_TOOLS["create_task"]
    call = service.WriteCall(run, "toolu_01", tool, read_arguments(tool, {"title": "One"}))
    session = database.session

    @asynccontextmanager
    async def session_whose_answer_is_lost(principal: Principal) -> AsyncIterator[AsyncSession]:
        async with session(principal) as opened:
            yield opened
        raise DatabaseUnavailableError

    monkeypatch.setattr(database, "session", session_whose_answer_is_lost)
    lost = await service.perform(database, scene, call)
    monkeypatch.undo()
    repeated = await service.perform(database, scene, call)
    assert lost.data["status"] == "done"
    assert repeated.data == lost.data
    assert await ada.tasks() == ["One"]


async def test_text_of_others_in_the_conversation_makes_auto_ask(make_learner: MakeLearner) -> None:
    ada, bob = await make_learner(tools={"create_task": "auto"}), await make_learner()
    await ada.rows("update spaces set visibility = 'shared' where id = %s returning 1", ada.person.space_id)
    await join_space(ada.database, ada.person.space_id, bob.person.id, "editor")
    await ada.rows(
        "insert into documents (space_id, title, content, created_by) values (%s, 'Knots', 'A bowline holds.', %s)"
        " returning 1",
        ada.person.space_id,
        bob.person.id,
    )
    events = await ada.ask(replies=(say(ToolUse("list_documents", {}, id="r")), say(create_task("One", "w"))))
    assert events[-1]["outcome"]["type"] == "interrupt"
    [action] = (await ada.client.get("/api/actions")).json()["items"]
    assert (action["status"], action["reason"]) == ("proposed", "foreign_text")
    assert await ada.tasks() == []


async def test_what_was_approved_and_left_behind_is_done_by_the_sweep(
    ada: Learner, actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the answer and the change."""
    [interrupt] = await ada.proposed(create_task("One"))
    answer = service.Answer(UUID(interrupt["id"]), approved=True)
    await repository.answer(
        ada.database, ada.person.principal, answer.action_id, approved=True, arguments=None, channel="test"
    )
    assert (await ada.action(interrupt["id"]))["status"] == "approved"
    monkeypatch.setattr(service, "LEFT_BEHIND", timedelta(0))
    await asyncio.gather(*(actions.sweep() for _ in range(4)))
    assert (await ada.action(interrupt["id"]))["status"] == "executed"
    assert await ada.tasks() == ["One"]


async def test_what_is_left_behind_in_a_space_that_was_lost_has_failed_and_holds_nothing_up(
    make_learner: MakeLearner, make_person: MakePerson, actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await make_learner(person=await make_person(visibility="shared")), await make_learner()
    bob.space_id = ada.person.space_id
    await join_space(ada.database, bob.space_id, bob.person.id, "editor")
    [lost], [other] = await bob.proposed(create_task("One")), await ada.proposed(create_task("Two"))
    for learner, interrupt in ((bob, lost), (ada, other)):
        await repository.answer(
            ada.database,
            learner.person.principal,
            UUID(interrupt["id"]),
            approved=True,
            arguments=None,
            channel="test",
        )
    await ada.rows("delete from space_collaborators where user_id = %s returning 1", bob.person.id)
    monkeypatch.setattr(service, "LEFT_BEHIND", timedelta(0))

    await actions.sweep()

    assert await ada.rows(
        "select status, result ->> 'code' from assistant.mentor_actions where id = %s", lost["id"]
    ) == [("failed", "not_found")]
    assert await ada.tasks() == ["Two"]


async def test_actions_are_listed_the_latest_first_and_filtered(ada: Learner) -> None:
    [one] = await ada.proposed(create_task("One"))
    await ada.send(one["id"], "approve")
    [two] = await ada.proposed(create_task("Two"))

    async def listed(query: str = "") -> list[str]:
        return [each["id"] for each in (await ada.client.get(f"/api/actions{query}")).json()["items"]]

    assert await listed() == [two["id"], one["id"]]
    assert await listed("?status=executed") == [one["id"]]
    assert await listed(f"?space_id={ada.person.space_id}&order=created") == [one["id"], two["id"]]
    assert await listed(f"?space_id={uuid4()}") == []
    page = (await ada.client.get("/api/actions?limit=1")).json()
    assert await listed(f"?limit=1&cursor={page['next_cursor']}") == [one["id"]]
    assert (await ada.client.get("/api/actions?status=done")).status_code == 422
