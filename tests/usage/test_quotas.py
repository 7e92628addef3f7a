"""Nothing overspends: plans and stops against turns that run side by side, are stopped, fail, and are killed."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from assistant.accounts.subscriptions import set_subscription
from assistant.chat.runs import OverloadedError
from assistant.chat.service import ResumedTurn
from assistant.db.quotas import InstallationStoppedError, QuotaExceededError, TooManyTurnsError
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.errors import AssistantError
from assistant.llm.events import Usage
from assistant.mentor.actions.service import Answer
from assistant.usage.entries import ModelCall
from assistant.usage.installation import Stop, lift_stop, publish_stop, standing
from assistant.usage.reconcile import reconcile
from assistant.usage.reservations import paying, settle_expired
from tests.chat.conftest import question
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.scripted_model import Reply, ScriptedModel, ToolUse, block, opening, refuse, say
from tests.usage.conftest import Desk, SetPlan, open_desk

TURN_TOKENS = 40
"""What a scripted answer says that it has used."""


async def test_two_hundred_at_once_spend_at_most_the_quota(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(messages=20)
    person = await make_person()
    model_server.answer = lambda _: say("A knot.")
    turns = (desk.ask_patiently(person, f"t-{n}") for n in range(200))
    results = await asyncio.gather(*turns, return_exceptions=True)
    answered = [result for result in results if isinstance(result, list)]
    refused = [result for result in results if isinstance(result, QuotaExceededError)]
    assert (len(answered), len(refused)) == (20, 180)
    assert len(model_server.requests) == 20
    assert await desk.counter(person.id) == (20, 0, 20 * TURN_TOKENS, 0)
    stored = await desk.rows("select count(*) from chat_messages where user_id = %s", person.id)
    assert stored == [(40,)], "a refused question is not stored"
    assert await reconcile(desk.database) == []


async def test_tokens_are_set_aside_before_the_model_is_called(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(tokens=50_000)
    person, gate = await make_person(), asyncio.Event()
    whole = say("A knot.")
    model_server.answer = lambda _: Reply([whole.steps[0], gate, *whole.steps[1:]])
    begun = [
        await desk.service.begin(person.principal, question(person.space_id, thread_id=f"t-{n}")) for n in range(3)
    ]
    with pytest.raises(QuotaExceededError) as refused:
        await desk.service.begin(person.principal, question(person.space_id, thread_id="t-4"))
    assert refused.value.status_code == 429
    assert "50,000 tokens a month: 0 are used" in refused.value.detail
    assert "are set aside for answers under way" in refused.value.detail
    _, _, spent, reserved = await desk.counter(person.id)
    assert 0 < spent + reserved <= 50_000
    gate.set()
    for run in begun:
        assert (await desk.follow(person, run))[-1]["type"] == "RUN_FINISHED"
    assert await desk.counter(person.id) == (3, 0, 3 * TURN_TOKENS, 0)
    assert (await desk.ask(person, thread_id="t-4"))[-1]["type"] == "RUN_FINISHED"


async def test_the_refusal_says_what_is_used_and_when_it_renews(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(messages=1)
    person = await make_person()
    model_server.script(say("A knot."))
    await desk.ask(person)
    with pytest.raises(QuotaExceededError) as refused:
        await desk.ask(person)
    error = refused.value
    now = datetime.now(UTC)
    assert error.code == "quota_exceeded"
    assert error.detail.startswith(
        "The plan free allows 1 messages a month: 1 are used, none are left. It renews on 1 "
    )
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 31 * 86_400
    assert error.extra["quota"]["left"] == 0
    renews = error.refusal.renews_at
    assert renews is not None
    assert (renews.day, renews.hour, renews > now) == (1, 0, True)


async def test_an_answer_that_needs_more_than_is_left_ends_and_keeps_what_it_said(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(tokens=20_000)
    person = await make_person()
    model_server.script(say("Let me look.", ToolUse("list_tasks", {}), output_tokens=15_000))
    events = await desk.ask(person)
    assert events[-1]["type"] == "RUN_ERROR"
    assert events[-1]["code"] == "quota_exceeded"
    assert "20,000 tokens a month" in events[-1]["message"]
    assert len(model_server.requests) == 1, "no call after the limit"
    assert await desk.counter(person.id) == (1, 0, 15_025, 0)
    messages = await desk.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=5)
    assert messages[-1].message == "Let me look."


async def test_so_many_at_a_time(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(turns=1)
    person, gate = await make_person(), asyncio.Event()
    whole = say("A knot.")
    model_server.script(Reply([whole.steps[0], gate, *whole.steps[1:]]), say("Another."))
    run = await desk.service.begin(person.principal, question(person.space_id))
    with pytest.raises(TooManyTurnsError) as refused:
        await desk.service.begin(person.principal, question(person.space_id, thread_id="t-2"))
    assert (refused.value.status_code, refused.value.retry_after) == (429, 5)
    gate.set()
    await desk.follow(person, run)
    assert (await desk.ask(person, thread_id="t-2"))[-1]["type"] == "RUN_FINISHED"


async def test_a_process_that_is_full_refuses_before_it_reads_anything(
    database: Database, own_server: Server, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    whole = say("A knot.")
    model_server.script(*[Reply([whole.steps[0], gate, *whole.steps[1:]])] * 2)
    async with open_desk(database, own_server, model_server, max_turns=2) as desk:
        turns = [question(person.space_id, thread_id=f"t-{n}") for n in range(6)]
        begun = await asyncio.gather(
            *(desk.service.begin(person.principal, turn) for turn in turns), return_exceptions=True
        )
        refused = [each for each in begun if isinstance(each, OverloadedError)]
        assert len(refused) == 4
        assert (refused[0].status_code, refused[0].code, refused[0].retry_after) == (503, "overloaded", 5)
        gate.set()
        for run in begun:
            if not isinstance(run, BaseException):
                assert (await desk.follow(person, run))[-1]["type"] == "RUN_FINISHED"


async def test_a_model_that_the_plan_has_not_gives_way_to_the_services_own(
    desk: Desk, model_server: ScriptedModel, database: Database, make_person: MakePerson
) -> None:
    person = await make_person(config='{"model": "claude-opus"}')
    model_server.script(say("A knot."), say("A knot."))
    events = await desk.ask(person)
    [notice] = [event["value"] for event in events if event.get("name") == "model_not_in_plan"]
    assert notice == {"model": "claude-opus", "used": "claude-haiku-5-5"}
    await set_subscription(database, person.id, "pro", None)
    events = await desk.ask(person)
    assert not [event for event in events if event.get("name") == "model_not_in_plan"]
    models = [request.body["model"] for request in model_server.requests]
    assert models == ["claude-haiku-5-5", "claude-opus-5-5"]


async def test_the_answer_to_a_proposal_is_no_second_message_and_is_taken_in_any_case(
    desk: Desk, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(messages=1, turns=1)
    person = await make_person()
    model_server.script(say("Shall I?", ToolUse("create_task", {"title": "Buy a rope"})), say("It is there."))
    asked = await desk.ask(person)
    [proposal] = asked[-1]["outcome"]["interrupts"]
    assert await desk.counter(person.id) == (1, 0, TURN_TOKENS, 0)
    answer = Answer(UUID(proposal["id"]), approved=True)
    turn = ResumedTurn(person.space_id, "t-1", uuid4().hex, [answer])
    told = await desk.follow(person, await desk.service.begin(person.principal, turn))
    assert told[-1]["outcome"] == {"type": "success"}
    assert await desk.counter(person.id) == (1, 0, 2 * TURN_TOKENS, 0)
    assert await desk.rows("select title from tasks where space_id = %s", person.space_id) == [("Buy a rope",)]
    tools = [(row["tool"], row["outcome"]) for row in await desk.logged(person, "tool")]
    assert tools == [("create_task", "proposed"), ("create_task", "executed")]
    assert await reconcile(desk.database) == []


# --- each way that a turn ends ---------------------------------------------------------------------------------------


async def test_a_finished_turn_is_logged_call_by_call(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person = await make_person()
    model_server.script(
        say("Let me look.", ToolUse("list_tasks", {"status": "pending"}), model="claude-haiku-5-5"),
        say("None.", model="claude-haiku-5-5"),
    )
    events = await desk.ask(person)
    first, tool, second, turn = await in_order(desk, person)
    for call in (first, second):
        assert (call["provider"], call["model"], call["outcome"]) == ("anthropic", "claude-haiku-5-5", "ok")
        assert (call["input_tokens"], call["output_tokens"], call["tokens"]) == (25, 15, TURN_TOKENS)
        assert (call["estimated"], call["cost_usd"]) == (False, pytest.approx(0.00001))
    assert (tool["tool"], tool["outcome"], tool["tokens"]) == ("list_tasks", "done", 0)
    assert tool["ms"] >= 0
    assert len(tool["arguments_sha256"]) == 64
    assert "pending" not in str(tool)
    assert turn["status"] == "completed"
    assert {row["run_id"] for row in (first, tool, second, turn)} == {events[0]["runId"]}


async def test_a_model_without_a_price_has_no_cost(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person = await make_person()
    model_server.script(say("A knot.", model="qwen3:8b"))
    await desk.ask(person)
    [call] = await desk.logged(person, "chat")
    assert (call["tokens"], call["cost_usd"]) == (TURN_TOKENS, None)


async def test_a_stopped_turn_pays_for_what_was_said(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    model_server.script(Reply([*beginning("A long story. " * 50), gate]))
    run = await desk.service.begin(person.principal, question(person.space_id))
    async for batch in desk.service.follow(person.principal, run.id, 0):
        if any(b"TEXT_MESSAGE_CONTENT" in event for event in batch):
            await desk.service.cancel(person.principal, run.client_run_id)
    call, turn = await desk.logged(person)
    assert (call["outcome"], call["estimated"], turn["status"]) == ("stopped", True, "cancelled")
    assert call["output_tokens"] >= 150
    assert await desk.counter(person.id) == (1, 0, call["tokens"], 0)


async def test_a_turn_whose_model_fails_costs_no_message(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person = await make_person()
    model_server.script(refuse(400, "invalid_request_error"))
    assert (await desk.ask(person))[-1]["code"] == "model_bad_request"
    [call] = await desk.logged(person)
    assert (call["action"], call["outcome"], call["tokens"]) == ("chat", "failed", 0)
    assert await desk.counter(person.id) == (0, 0, 0, 0)


async def test_a_killed_turn_is_settled_by_what_is_known(
    desk: Desk,
    database: Database,
    own_server: Server,
    model_server: ScriptedModel,
    make_person: MakePerson,
) -> None:
    person, gate = await make_person(), asyncio.Event()
    half = Reply([*beginning("Half of the answer"), gate])
    model_server.script(say("Let me look.", ToolUse("list_tasks", {})), half)
    async with open_desk(database, own_server, model_server) as dying:
        run = await dying.service.begin(person.principal, question(person.space_id))
        async for batch in dying.service.follow(person.principal, run.id, 0):
            if any(b"Half of" in event for event in batch):
                break
        live, task = dying.runs._runs[run.id]
        reserved = await desk.counter(person.id)
        await desk.rows(
            "update assistant.runs set process = gen_random_uuid(), lease_until = now() - interval '1 s'"
            " where id = %s returning 1",
            run.id,
        )
        await desk.runs.sweep()
        live.log.fence()
        task.cancel()
    assert reserved[:3] == (0, 1, 0)
    assert reserved[3] > 4096
    first, tool, second, turn = await in_order(desk, person)
    assert (first["outcome"], first["tokens"], first["estimated"]) == ("ok", TURN_TOKENS, False)
    assert (tool["tool"], tool["outcome"]) == ("list_tasks", "done")
    assert (second["outcome"], second["estimated"]) == ("killed", True)
    assert second["input_tokens"] > 1000, "everything that the model was told, and not the question alone"
    assert second["output_tokens"] > 0
    assert turn["status"] == "interrupted"
    assert await desk.counter(person.id) == (1, 0, first["tokens"] + second["tokens"], 0)
    await desk.runs.sweep()
    assert await desk.counter(person.id) == (1, 0, first["tokens"] + second["tokens"], 0), "once"
    assert await reconcile(database) == []


async def test_a_run_that_goes_with_its_space_is_paid_for(
    desk: Desk, database: Database, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    half = Reply([*beginning("Half"), gate])
    model_server.script(say("Let me look.", ToolUse("list_tasks", {})), half)
    run = await desk.service.begin(person.principal, question(person.space_id))
    async for batch in desk.service.follow(person.principal, run.id, 0):
        if any(b"Half" in event for event in batch):
            break
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql("delete from spaces where id = %s", (person.space_id,))
    await settle_expired(database)
    first, second = await desk.logged(person, "chat")
    assert {first["outcome"], second["outcome"]} == {"ok", "killed"}
    messages, aside, spent, reserved = await desk.counter(person.id)
    assert (messages, aside, reserved) == (0, 0, 0)
    assert spent == first["tokens"] + second["tokens"]
    turns = "select amount from assistant.holdings where user_id = %s and resource = 'turns'"
    assert await desk.rows(turns, person.id) == [(0,)]
    assert await reconcile(database) == []


async def test_what_a_run_uses_counts_in_the_month_in_which_it_began(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    whole = say("A knot.")
    model_server.script(Reply([whole.steps[0], gate, *whole.steps[1:]]))
    run = await desk.service.begin(person.principal, question(person.space_id))
    # As if it had begun a month ago: its reservation is in that month's counter.
    for statement in (
        "update assistant.runs set created_at = created_at - interval '1 month' where id = %s returning 1",
        "update assistant.reservations set period = period - interval '1 month' where id = %s returning 1",
    ):
        await desk.rows(statement, run.id)
    await desk.rows(
        "update assistant.usage_counters set period = period - interval '1 month' where user_id = %s returning 1",
        person.id,
    )
    gate.set()
    await desk.follow(person, run)
    rows = await desk.rows(
        "select period < date_trunc('month', now() at time zone 'UTC'), messages, messages_reserved, tokens,"
        " tokens_reserved from assistant.usage_counters where user_id = %s",
        person.id,
    )
    assert rows == [(True, 1, 0, TURN_TOKENS, 0)]
    assert await reconcile(desk.database) == []


async def test_a_tier_that_changes_during_a_run_counts_from_the_next_call(
    desk: Desk, database: Database, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(tokens=20_000)
    person, gate = await make_person(), asyncio.Event()
    whole = say("Let me look.", ToolUse("list_tasks", {}), output_tokens=15_000)
    model_server.script(Reply([whole.steps[0], gate, *whole.steps[1:]]), say("None."))
    run = await desk.service.begin(person.principal, question(person.space_id))
    await set_subscription(database, person.id, "pro", None)
    gate.set()
    assert (await desk.follow(person, run))[-1]["type"] == "RUN_FINISHED"
    await set_subscription(database, person.id, "free", None)
    with pytest.raises(QuotaExceededError):
        await desk.ask(person)


# --- the whole installation ------------------------------------------------------------------------------------------


async def test_the_stop_needs_a_person(
    desk: Desk, database: Database, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    ada, bob = await make_person(), await make_person()
    await publish_stop(database, Stop(10**9, None))
    stands = await standing(database)
    assert stands is not None
    used = stands.tokens + stands.tokens_reserved
    await publish_stop(database, Stop(used + 16_500, None))
    model_server.script(say("A knot.", output_tokens=1_000))
    assert (await desk.ask(ada))[-1]["type"] == "RUN_FINISHED"
    with pytest.raises(InstallationStoppedError) as refused:
        await desk.ask(bob)
    assert (refused.value.status_code, refused.value.code) == (503, "installation_stopped")
    await publish_stop(database, Stop(10**9, None))
    with pytest.raises(InstallationStoppedError):
        await desk.ask(bob)
    assert len(model_server.requests) == 1, "no call after the stop"
    assert await lift_stop(database)
    assert not await lift_stop(database)
    model_server.script(say("A knot."))
    assert (await desk.ask(bob))[-1]["type"] == "RUN_FINISHED"


async def test_money_is_set_aside_where_it_is_counted(
    database: Database, own_server: Server, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    person = await make_person()
    await publish_stop(database, Stop(None, Decimal(1)))
    stands = await standing(database)
    assert stands is not None
    stop = Stop(None, stands.usd + Decimal("0.001"))  # a call may cost more than that, of haiku too
    await publish_stop(database, stop)
    async with open_desk(database, own_server, model_server, usd=stop.usd) as desk:
        events = await desk.ask(person)
    assert events[-1]["code"] == "installation_stopped"
    assert model_server.requests == []


# --- what is no run --------------------------------------------------------------------------------------------------

EMBED = ModelCall("embed", "openai", "openai:text-embedding-3-small", Usage(1_000, 0, 0, 0), estimated=True)


async def test_other_work_pays_before_and_after(desk: Desk, set_plan: SetPlan, make_person: MakePerson) -> None:
    await set_plan(tokens=1_500)
    person = await make_person()
    async with paying(desk.database, person.id, person.space_id, EMBED) as bill:
        assert await desk.counter(person.id) == (0, 0, 0, 1_000)
        with pytest.raises(QuotaExceededError):
            async with paying(desk.database, person.id, person.space_id, EMBED):
                raise AssertionError("it was refused")
        bill.append(EMBED)
    assert await desk.counter(person.id) == (0, 0, 1_000, 0)
    [row] = await desk.logged(person, "embed")
    assert (row["provider"], row["cost_usd"], row["estimated"]) == ("openai", pytest.approx(0.00002), True)


async def test_work_that_fails_or_is_lost_is_settled(desk: Desk, make_person: MakePerson) -> None:
    person = await make_person()
    with pytest.raises(AssistantError):
        async with paying(desk.database, person.id, person.space_id, EMBED):
            raise AssistantError("the provider is away")
    [row] = await desk.logged(person, "embed")
    assert (row["outcome"], row["tokens"], row["cost_usd"]) == ("failed", None, None)
    lost = paying(desk.database, person.id, person.space_id, EMBED)
    await lost.__aenter__()  # and the process dies
    await desk.rows(
        "update assistant.reservations set expires_at = now() - interval '1 s' where user_id = %s returning 1",
        person.id,
    )
    assert await settle_expired(desk.database) == 1
    assert await settle_expired(desk.database) == 0
    assert await desk.counter(person.id) == (0, 0, 1_000, 0)
    assert (await desk.logged(person, "embed"))[-1]["outcome"] in ("killed", "failed")
    assert await reconcile(desk.database) == []


async def test_documents_and_their_bytes_count_for_the_spaces_owner(
    desk: Desk, database: Database, set_plan: SetPlan, make_person: MakePerson
) -> None:
    await set_plan(documents=2, storage=100)
    person = await make_person()
    await add(database, person, "x" * 40, "y" * 40)
    with pytest.raises(QuotaExceededError) as refused:
        await add(database, person, "z")
    told = "The plan free of this space's owner has room for 2 documents, and 2 are there."
    assert refused.value.detail.startswith(told)
    assert refused.value.retry_after is None
    await set_plan(documents=3, storage=100)
    with pytest.raises(QuotaExceededError) as refused:
        await add(database, person, "z" * 21)
    assert "MiB of text" in refused.value.detail
    await add(database, person, "é" * 10)  # in bytes
    assert await held(desk, person) == {"documents": 3, "storage": 100}
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql("update documents set content = 'x' where content like 'xx%%'")
        await connection.exec_driver_sql("delete from documents where content like 'yy%%'")
    assert await held(desk, person) == {"documents": 2, "storage": 21}
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql("delete from spaces where id = %s", (person.space_id,))
    assert await held(desk, person) == {"documents": 0, "storage": 0}
    assert await reconcile(database) == []


async def test_counters_that_differ_are_found_and_set_right(desk: Desk, make_person: MakePerson) -> None:
    person = await make_person()
    async with paying(desk.database, person.id, person.space_id, EMBED) as bill:
        bill.append(EMBED)
    await desk.rows("update assistant.usage_counters set tokens = 7 where user_id = %s returning 1", person.id)
    assert [each.what for each in await reconcile(desk.database)] == ["counters"]
    assert await desk.counter(person.id) == (0, 0, 1_000, 0)
    assert await reconcile(desk.database) == []


def beginning(text: str) -> list[bytes]:
    """Of an answer that goes on."""
    return [opening(), *block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": text}])]


async def in_order(desk: Desk, person: Person) -> list[dict[str, Any]]:
    """The calls of one turn: model, tool, model, and the turn itself. All have the time of its end."""
    rows = await desk.logged(person)
    assert Counter(row["action"] for row in rows) == {"chat": 2, "tool": 1, "turn": 1}
    first, second = sorted((row for row in rows if row["action"] == "chat"), key=lambda row: row["outcome"] == "killed")
    return [first, *(row for row in rows if row["action"] == "tool"), second, rows[-1]]


async def add(database: Database, person: Person, *contents: str) -> None:
    async with database.transaction(person.principal) as connection:
        for content in contents:
            await connection.exec_driver_sql(
                "insert into documents (id, space_id, title, content) values (%s, %s, 'Knots', %s)",
                (uuid4(), person.space_id, content),
            )


async def held(desk: Desk, person: Person) -> dict[str, int]:
    rows = await desk.rows(
        "select resource, amount from assistant.holdings where user_id = %s and resource <> 'turns'", person.id
    )
    return dict(rows)
