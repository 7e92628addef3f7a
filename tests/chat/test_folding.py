"""Runs of long ago: their events are gone, and a replay still tells how they ended."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from assistant.chat import folding
from assistant.chat.log import MERGED_CHARACTERS
from assistant.chat.repository import Run
from assistant.chat.service import FollowedRun
from assistant.db.session import Database
from assistant.errors import UnavailableError
from assistant.llm.events import TextDelta, ToolUseStarted, Usage
from assistant.mentor.citations import Citation
from assistant.mentor.events import MentorEvent, Notice, ToolResult, ToolUseEnded, Turn, TurnRecord
from assistant.usage.entries import ModelCall
from tests.chat.conftest import Chat, Script, ScriptedMentor, question, read_events, says, text_of
from tests.chat.test_http import ask, input_of, read_stream
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import LiveService

CITED = Citation(1, uuid4(), uuid4(), "Knots", "Loops", None, "The bowline holds.", 4, 22)


async def answers(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
    """With a tool, a notice, a citation, and more text than one event takes."""
    yield ToolUseStarted("call-1", "list_tasks")
    yield ToolUseEnded("call-1")
    yield ToolResult("call-1", "list_tasks", "None.", {}, is_error=False)
    for piece in ("It holds [1]. ", "é" * (MERGED_CHARACTERS + 1)):
        record.text += piece
        yield TextDelta(piece)
    record.citations = [CITED]
    record.entries = [ModelCall("chat", "scripted", "haiku", Usage(10, 5, 0, 0)).entry()]
    record.notices = [Notice("answer_cut", {"reason": "max_tokens"})]
    yield record.notices[0]


async def fails(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
    record.text = "So far"
    yield TextDelta("So far")
    raise UnavailableError("The model is away.", code="model_unavailable")


async def run_of(chat: Chat, person: Person, script: Script) -> tuple[FollowedRun, list[dict[str, object]]]:
    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    return run, await read_events(chat, person.principal, run)


async def fold(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a week had passed."""
    with monkeypatch.context() as patch:
        patch.setattr(folding, "KEPT", timedelta(0))
        runs, _ = await folding.fold_finished(database)
        assert runs > 0


@pytest.mark.parametrize("script", [answers, fails, says("Hello."), says()], ids=["whole", "failed", "short", "empty"])
async def test_a_folded_run_is_told_as_it_ended(
    chat: Chat, database: Database, make_person: MakePerson, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await make_person()
    run, live = await run_of(chat, person, script)
    await fold(database, monkeypatch)
    told = await read_events(chat, person.principal, run)
    assert [event["metadata"] for event in told] == [
        {"runId": run.client_run_id, "seq": n} for n in range(1, len(told) + 1)
    ]
    assert text_of(told) == text_of(live)
    without = ("timestamp", "metadata")
    kept = ("RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "CUSTOM", "RUN_FINISHED", "RUN_ERROR")

    def compared(events: list[dict[str, object]]) -> list[dict[str, object]]:
        chosen = [event for event in events if event["type"] in kept and event.get("name") != "tool_result"]
        return sorted(({k: v for k, v in e.items() if k not in without} for e in chosen), key=str)

    assert compared(told) == compared(live)
    assert max(len(str(event.get("delta", ""))) for event in told) <= MERGED_CHARACTERS


async def test_its_events_are_gone_and_what_the_model_needs_is_not(
    chat: Chat, database: Database, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await make_person()
    run, _ = await run_of(chat, person, answers)
    before = await database.fetch(
        person.principal, "select count(*) from assistant.run_steps where run_id = %s", (run.id,)
    )
    await fold(database, monkeypatch)
    assert await database.fetch(person.principal, "select from assistant.run_events where run_id = %s", (run.id,)) == []
    after = await database.fetch(
        person.principal, "select count(*) from assistant.run_steps where run_id = %s", (run.id,)
    )
    assert after == before
    assert await folding.fold_finished(database) == (0, 0)


async def test_runs_of_this_week_are_left_alone(chat: Chat, database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    run, live = await run_of(chat, person, says("Hello."))
    await folding.fold_finished(database)
    assert await read_events(chat, person.principal, run) == live


async def test_who_comes_back_late_gets_all_of_it_and_who_has_all_gets_nothing(
    chat: Chat, database: Database, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await make_person()
    run, live = await run_of(chat, person, answers)
    await fold(database, monkeypatch)
    found: Run = await chat.service.find_run(person.principal, run.client_run_id)
    told = await read_events(chat, person.principal, run)
    assert found.is_folded
    assert found.last_seq == len(told) != len(live)
    assert chat.service.resume(found, len(live)) == 0
    assert chat.service.resume(found, 1) == 0
    assert chat.service.resume(found, found.last_seq) == found.last_seq
    assert chat.service.resume(replace(found, is_folded=False), 1) == 1
    assert await read_events(chat, person.principal, run, found.last_seq) == []


async def test_a_deleted_answer_stays_deleted(
    chat: Chat, database: Database, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await make_person()
    run, _ = await run_of(chat, person, answers)
    await database.fetch(person.principal, "delete from chat_messages where user_id = %s", (person.id,))
    await fold(database, monkeypatch)
    told = await read_events(chat, person.principal, run)
    assert [event["type"] for event in told] == ["RUN_STARTED", "RUN_FINISHED"]


async def test_nobody_else_is_told(
    chat: Chat, database: Database, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, stranger = await make_person(visibility="public"), await make_person()
    run, _ = await run_of(chat, person, says("Hello."))
    await fold(database, monkeypatch)
    assert await read_events(chat, stranger.principal, run) == []


async def test_over_http_a_snapshot_is_numbered_from_one_wherever_it_is_resumed(
    offline_service: LiveService,
    script: ScriptedMentor,
    database: Database,
    make_person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = await make_person()
    script.script = answers
    async with offline_service.client(offline_service.token(person.id)) as client:
        await ask(client, person.space_id, input_of("What?", run_id="r-1"))
        await fold(database, monkeypatch)
        last = (await client.get("/api/runs/r-1")).json()["last_seq"]
        for after, expected in ((0, last), (3, last), (40, last), (last, 0)):
            async with client.stream("GET", f"/api/runs/r-1/events?after={after}") as response:
                numbered = [(seq, event["metadata"]["seq"]) async for seq, event in read_stream(response)]
            assert numbered == [(n, n) for n in range(1, expected + 1)]
