"""A second model that answers where the first cannot: what it is told, and under whose name its answers are kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.state import open_model
from assistant.usage.installation import Stop, publish_stop, standing
from tests.chat.conftest import question
from tests.fixtures.database import MakePerson, Person, make_settings
from tests.fixtures.scripted_model import Reply, ScriptedModel, ToolUse, refuse, say
from tests.usage.conftest import Desk, SetPlan, open_desk

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"


def only_sonnet(*replies: Reply) -> Callable[[Any], Reply]:
    """Haiku is overloaded; sonnet gives these answers."""
    left = list(replies)
    return lambda body: left.pop(0) if body["model"] == SONNET else refuse(529, "overloaded_error")


@pytest.fixture
async def desk(
    database: Database, own_server: Server, model_server: ScriptedModel, set_plan: SetPlan
) -> AsyncIterator[Desk]:
    async with open_desk(database, own_server, model_server, fallback="claude-sonnet") as opened:
        yield opened


async def stored_model(desk: Desk, person: Person) -> Any:
    messages = await desk.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=5)
    assert messages[-1].metadata is not None
    return messages[-1].metadata["model"]


async def test_the_setting_names_the_model_that_the_client_falls_back_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        settings = make_settings(tmp_path, ANTHROPIC_API_KEY="key", fallback_model="claude-sonnet")
        assert (await open_model(settings, stack)).fallback == SONNET
        alone = make_settings(tmp_path, ANTHROPIC_API_KEY="key")
        assert (await open_model(alone, stack)).fallback is None


async def test_a_turn_that_falls_back_goes_on_as_it_was_and_is_kept_under_the_model_that_answered(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person = await make_person()
    model_server.answer = only_sonnet(say(ToolUse("list_tasks", {}), model=SONNET), say("A knot.", model=SONNET))
    assert (await desk.ask(person))[-1]["type"] == "RUN_FINISHED"

    bodies = [request.body for request in model_server.requests]
    assert [body["model"] for body in bodies] == [HAIKU, SONNET, HAIKU, SONNET]
    for asked, answered in (bodies[:2], bodies[2:]):
        assert answered == {**asked, "model": SONNET}
        assert answered["system"]
        assert answered["tools"]
        assert answered["max_tokens"] > 0
    assert await stored_model(desk, person) == SONNET
    calls = await desk.logged(person, "chat")
    assert [(call["model"], call["outcome"], call["estimated"]) for call in calls] == 2 * [(SONNET, "ok", False)]
    assert [call["cost_usd"] for call in calls] == 2 * [pytest.approx((25 * 2 + 15 * 10) / 1e6)]


async def test_a_turn_goes_back_to_the_chosen_model_as_soon_as_that_answers(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person = await make_person()
    call = say(ToolUse("list_tasks", {}), model=SONNET)
    model_server.script(refuse(529, "overloaded_error"), call, say("A knot.", model=HAIKU))
    await desk.ask(person)
    assert await stored_model(desk, person) == HAIKU
    assert sorted(call["model"] for call in await desk.logged(person, "chat")) == [HAIKU, SONNET]


async def test_an_answer_of_the_fallback_that_breaks_off_is_its_own(
    desk: Desk, model_server: ScriptedModel, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    half = say("A long story.", model=SONNET).steps[:-2]
    model_server.answer = only_sonnet(Reply(half), Reply([*half, gate]))
    assert (await desk.ask(person))[-1]["type"] == "RUN_ERROR"
    assert await stored_model(desk, person) == SONNET

    run = await desk.service.begin(person.principal, question(person.space_id))
    async for batch in desk.service.follow(person.principal, run.id, 0):
        if any(b"TEXT_MESSAGE_CONTENT" in event for event in batch):
            await desk.service.cancel(person.principal, run.client_run_id)
    calls = await desk.logged(person, "chat")
    assert [(call["model"], call["outcome"]) for call in calls] == [(SONNET, "failed"), (SONNET, "stopped")]


async def test_money_is_set_aside_for_the_dearer_of_the_two(
    database: Database, own_server: Server, model_server: ScriptedModel, set_plan: SetPlan, make_person: MakePerson
) -> None:
    person = await make_person()
    await publish_stop(database, Stop(None, Decimal(1)))
    stands = await standing(database)
    assert stands is not None
    stop = Stop(None, stands.usd + Decimal("0.01"))  # enough for a call of haiku, and not for one of sonnet
    await publish_stop(database, stop)
    model_server.answer = lambda _: say("A knot.", model=HAIKU)
    async with open_desk(database, own_server, model_server, usd=stop.usd) as alone:
        assert (await alone.ask(person))[-1]["type"] == "RUN_FINISHED"
    async with open_desk(database, own_server, model_server, usd=stop.usd, fallback="claude-sonnet") as desk:
        assert (await desk.ask(person, thread_id="t-2"))[-1]["code"] == "installation_stopped"
    assert len(model_server.requests) == 1
