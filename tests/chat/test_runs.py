"""Runs: begun once, followed from anywhere, stopped, swept up."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import psycopg
import pytest

from assistant.chat import repository
from assistant.chat.answering import LiveRun
from assistant.chat.service import FollowedRun
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, TooLargeError
from assistant.llm.events import ModelError, TextDelta, ToolUseStarted, Usage
from assistant.mentor.citations import Citation
from assistant.mentor.events import MentorEvent, Turn, TurnRecord
from assistant.usage.entries import ModelCall
from tests.chat.conftest import Chat, open_chat, question, read_events, says, says_and_waits, text_of
from tests.fixtures.database import MakePerson, Person, join_space


async def test_events_are_numbered_from_one_without_gaps(chat: Chat, make_person: MakePerson) -> None:
    person = await make_person()
    chat.mentor.script = says("A bowline ", "is a knot.")
    run = await chat.service.begin(person.principal, question(person.space_id))
    events = await read_events(chat, person.principal, run)
    assert [event["metadata"] for event in events] == [
        {"runId": run.client_run_id, "seq": n} for n in range(1, len(events) + 1)
    ]
    assert events[0]["type"] == "RUN_STARTED"
    assert events[-1]["type"] == "RUN_FINISHED"
    assert events[-1]["outcome"] == {"type": "success"}
    assert text_of(events) == "A bowline is a knot."


async def test_the_answer_is_stored_when_the_last_event_is_seen(chat: Chat, make_person: MakePerson) -> None:
    person = await make_person()
    run = await chat.service.begin(person.principal, question(person.space_id))
    await read_events(chat, person.principal, run)
    asked, answered = await chat.service.messages(
        person.principal, person.space_id, thread_id=None, after=None, limit=10
    )
    assert (asked.is_from_user, asked.message, asked.status) == (True, "What is a bowline?", "completed")
    assert (answered.is_from_user, answered.message, answered.run_id) == (False, "Hello.", run.client_run_id)
    assert answered.metadata is not None
    assert answered.metadata["status"] == "completed"


async def test_the_same_message_twice_is_one_run(chat: Chat, make_person: MakePerson) -> None:
    person = await make_person()
    turn = question(person.space_id, client_message_id="m-1")
    runs = await asyncio.gather(*(chat.service.begin(person.principal, turn) for _ in range(8)))
    again = question(person.space_id, client_message_id="m-1", client_run_id="another-name")
    runs.append(await chat.service.begin(person.principal, again))
    assert {run.client_run_id for run in runs} == {turn.client_run_id}
    logs = [await read_events(chat, person.principal, run) for run in runs]
    assert all(log == logs[0] for log in logs)
    stored = await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=10)
    assert len(stored) == 2


@pytest.mark.parametrize("changed", [{"text": "Something else"}, {"thread_id": "t-2"}])
async def test_a_message_id_belongs_to_one_message(
    chat: Chat, make_person: MakePerson, changed: dict[str, str]
) -> None:
    person = await make_person()
    await chat.service.begin(person.principal, question(person.space_id, client_message_id="m-1"))
    with pytest.raises(ConflictError) as refused:
        await chat.service.begin(person.principal, question(person.space_id, client_message_id="m-1", **changed))
    assert refused.value.code == "message_id_reused"


async def test_message_ids_of_two_people_do_not_meet(chat: Chat, make_person: MakePerson) -> None:
    one, two = await make_person(), await make_person()
    first = await chat.service.begin(one.principal, question(one.space_id, client_message_id="m", client_run_id="r"))
    second = await chat.service.begin(two.principal, question(two.space_id, client_message_id="m", client_run_id="r"))
    assert first.id != second.id


async def test_a_thread_has_one_active_run(chat: Chat, make_person: MakePerson) -> None:
    person, gate = await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("Wait", " done", gate=gate)
    run = await chat.service.begin(person.principal, question(person.space_id))
    with pytest.raises(ConflictError) as refused:
        await chat.service.begin(person.principal, question(person.space_id))
    assert refused.value.code == "run_active"
    elsewhere = await chat.service.begin(person.principal, question(person.space_id, thread_id="t-2"))
    gate.set()
    await read_events(chat, person.principal, run)
    await read_events(chat, person.principal, elsewhere)
    assert (await chat.service.begin(person.principal, question(person.space_id))).id != run.id


async def test_a_hundred_at_once_begin_one_run(chat: Chat, make_person: MakePerson) -> None:
    person, gate = await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("Wait", " done", gate=gate)
    turns = [question(person.space_id) for _ in range(30)]
    results = await asyncio.gather(
        *(chat.service.begin(person.principal, turn) for turn in turns), return_exceptions=True
    )
    gate.set()
    refused = [result for result in results if isinstance(result, ConflictError)]
    assert len(refused) == 29
    assert {error.code for error in refused} == {"run_active"}


async def test_a_run_id_names_one_run(chat: Chat, make_person: MakePerson) -> None:
    person = await make_person()
    run = await chat.service.begin(person.principal, question(person.space_id, client_run_id="r-1"))
    await read_events(chat, person.principal, run)
    with pytest.raises(ConflictError) as refused:
        await chat.service.begin(person.principal, question(person.space_id, client_run_id="r-1"))
    assert refused.value.code == "run_id_reused"


async def test_who_may_begin_a_turn(chat: Chat, database: Database, make_person: MakePerson) -> None:
    owner, stranger = await make_person(visibility="shared"), await make_person()
    with pytest.raises(NotFoundError):
        await chat.service.begin(stranger.principal, question(owner.space_id))
    await join_space(database, owner.space_id, stranger.id, "viewer", accepted=False)
    with pytest.raises(NotFoundError):
        await chat.service.begin(stranger.principal, question(owner.space_id))
    viewer, public = await make_person(), await make_person(visibility="public")
    await join_space(database, owner.space_id, viewer.id, "viewer")
    await chat.service.begin(viewer.principal, question(owner.space_id))
    with pytest.raises(ForbiddenError):
        await chat.service.begin(stranger.principal, question(public.space_id))
    with pytest.raises(NotFoundError):
        await chat.service.begin(owner.principal, question(uuid4()))


@pytest.mark.parametrize(
    ("text", "names", "error", "code"),
    [
        ("  \n ", {}, InvalidError, "message_empty"),
        ("x" * 200_000, {}, TooLargeError, "message_too_long"),
        ("NUL \0", {}, InvalidError, "invalid"),
        ("half \ud800", {}, InvalidError, "invalid"),
        ("x", {"thread_id": "t" * 201}, InvalidError, "invalid"),
        ("x", {"client_message_id": ""}, InvalidError, "invalid"),
    ],
)
async def test_bad_turns_leave_nothing_behind(
    chat: Chat, make_person: MakePerson, text: str, names: dict[str, str], error: type[Exception], code: str
) -> None:
    person = await make_person()
    with pytest.raises(error) as refused:
        await chat.service.begin(person.principal, question(person.space_id, text, **names))
    assert getattr(refused.value, "code", None) == code
    assert not await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=9)


async def test_replay_from_every_event_gives_the_rest(chat: Chat, make_person: MakePerson) -> None:
    person = await make_person()
    run = await chat.service.begin(person.principal, question(person.space_id))
    whole = await read_events(chat, person.principal, run)
    for after in range(len(whole) + 2):
        assert await read_events(chat, person.principal, run, after) == whole[after:]


async def test_another_process_follows_live(
    chat: Chat, database: Database, server: Server, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("One", " two", " three", gate=gate)
    async with open_chat(database, server) as other:
        run = await chat.service.begin(person.principal, question(person.space_id))
        following = asyncio.create_task(read_events(other, person.principal, run))
        here = asyncio.create_task(read_events(chat, person.principal, run))
        async with asyncio.timeout(10):
            await stored_events(chat, person, run, 3)
            gate.set()
            assert await following == await here
    assert text_of(here.result()) == "One two three"


async def test_notifications_hold_ids_and_nothing_else(
    chat: Chat, database: Database, server: Server, make_person: MakePerson
) -> None:
    """Everybody who may connect can listen: no policy guards a payload."""
    person, gate = await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("A secret", " answer", gate=gate)
    url = server.listen_url.replace("postgresql+psycopg", "postgresql")
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as anybody,
        open_chat(database, server) as other,
    ):
        for channel in ("goalspace_events", "goalspace_cancel", "procrastinate_any_queue_v1"):
            await anybody.execute(f"listen {channel}".encode())
        run = await chat.service.begin(person.principal, question(person.space_id, "A secret question"))
        following = asyncio.create_task(read_events(other, person.principal, run))
        await stored_events(chat, person, run, 3)
        listeners = "select count(*) from assistant.run_listeners where run_id = %s"
        async with asyncio.timeout(10):
            while await database.fetch_as_service("run_log", listeners, (run.id,)) == [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await other.service.cancel(person.principal, run.client_run_id)
            await following
        await anybody.execute("select pg_notify('goalspace_events', 'the last')")
        heard = []
        async for notice in anybody.notifies(timeout=10):
            if notice.payload == "the last":
                break
            heard.append((notice.channel, notice.payload))
    assert {channel for channel, _ in heard} == {"goalspace_events", "goalspace_cancel"}
    assert {payload for _, payload in heard} == {str(run.id)}


async def test_nobody_follows_or_stops_anothers_run(chat: Chat, make_person: MakePerson) -> None:
    person, stranger, gate = await make_person(), await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("Wait", " done", gate=gate)
    run = await chat.service.begin(person.principal, question(person.space_id, client_run_id="r-1"))
    for attempt in (chat.service.find_run, chat.service.cancel):
        with pytest.raises(NotFoundError):
            await attempt(stranger.principal, run.client_run_id)
    gate.set()
    await read_events(chat, person.principal, run)
    assert await read_events(chat, stranger.principal, run) == []


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_stop_keeps_what_was_said(
    chat: Chat, database: Database, server: Server, make_person: MakePerson, *, elsewhere: bool
) -> None:
    person = await make_person()
    chat.mentor.script = says_and_waits("Half of", " it", gate=asyncio.Event())
    run = await chat.service.begin(person.principal, question(person.space_id))
    async with open_chat(database, server) as other, asyncio.timeout(10):
        await stored_events(chat, person, run, 3)
        await (other if elsewhere else chat).service.cancel(person.principal, run.client_run_id)
        events = await read_events(chat, person.principal, run)
    assert [event["type"] for event in events[-2:]] == ["TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert events[-1]["outcome"] == {"type": "cancelled"}
    stored = await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=9)
    assert (stored[-1].message, stored[-1].status) == ("Half of", "cancelled")
    again = await chat.service.cancel(person.principal, run.client_run_id)
    assert again.status == "cancelled"


async def test_a_stopped_answer_is_stored_with_its_sources(chat: Chat, make_person: MakePerson) -> None:
    cited = Citation(1, uuid4(), uuid4(), "Knots", "Loops", None, "The bowline holds.", 4, 22)

    async def script(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        try:
            record.text = "It holds [1]"
            yield TextDelta(record.text)
            await asyncio.Event().wait()
        finally:
            record.citations = [cited]

    person = await make_person()
    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    async with asyncio.timeout(10):
        await stored_events(chat, person, run, 3)
        await chat.service.cancel(person.principal, run.client_run_id)
        events = await read_events(chat, person.principal, run)
    assert [event["type"] for event in events[-3:]] == ["CUSTOM", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    stored = await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=9)
    assert events[-3]["value"] == stored[-1].citations
    assert [citation["quote"] for citation in stored[-1].citations] == [cited.quote]


async def test_a_failing_model_leaves_a_stated_result(chat: Chat, make_person: MakePerson) -> None:
    async def script(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        record.text = "Some"
        record.entries = [ModelCall("chat", "scripted", "claude", Usage(10, 2, 0, 0)).entry()]
        yield TextDelta("Some")
        yield ToolUseStarted("tool-1", "list_tasks")
        raise ModelError("model_dropped")

    person = await make_person()
    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    events = await read_events(chat, person.principal, run)
    assert [event["type"] for event in events[-3:]] == ["TOOL_CALL_END", "TEXT_MESSAGE_END", "RUN_ERROR"]
    assert events[-1]["code"] == "model_dropped"
    stored = await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=9)
    assert (stored[-1].message, stored[-1].status) == ("Some", "failed")
    assert (await chat.service.find_run(person.principal, run.client_run_id)).error == {
        "code": "model_dropped",
        "message": events[-1]["message"],
    }


async def test_a_bug_is_told_without_its_insides(chat: Chat, make_person: MakePerson) -> None:
    async def script(_: Turn, __: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        yield TextDelta("x")
        raise ZeroDivisionError("secret insides")

    person = await make_person()
    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    events = await read_events(chat, person.principal, run)
    assert events[-1]["code"] == "internal_error"
    assert "secret" not in str(events)


async def test_usage_is_logged_once(chat: Chat, database: Database, make_person: MakePerson) -> None:
    async def script(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        record.entries = [ModelCall("chat", "scripted", "claude", Usage(10, 5, 3, 2)).entry()]
        yield TextDelta("x")

    person = await make_person()
    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    events = await read_events(chat, person.principal, run)
    entry = {
        "provider": "", "model": "claude", "inputTokens": 15, "outputTokens": 5, "totalTokens": 20,
        "cachedInputTokens": 3, "cacheWriteInputTokens": 2,
    }  # fmt: skip
    assert events[-1]["usage"] == [entry | {"provider": "scripted"}]
    async with database.transaction(person.principal) as connection:
        rows = await connection.exec_driver_sql("select resource_id, action, tokens_used from usage_logs order by 2")
        assert [tuple(row) for row in rows] == [(person.space_id, "chat", 20), (person.space_id, "turn", 0)]


async def stored_events(chat: Chat, person: Person, run: FollowedRun, count: int) -> None:
    """Until the run has so many events."""
    async with asyncio.timeout(10):
        seen = 0
        async for batch in chat.service.follow(person.principal, run.id, 0):
            seen += len(batch)
            if seen >= count:
                return


async def orphan(chat: Chat, database: Database, server: Server, person: Person) -> LiveRun:
    """A run whose process dies in mid-answer, without a word: its lease is over, its tasks are gone."""
    dying = open_chat(database, server)
    async with dying as other:
        other.mentor.script = says_and_waits("Half of", " it", gate=asyncio.Event())
        run = await other.service.begin(person.principal, question(person.space_id))
        live, task = other.runs._runs[run.id]
        await stored_events(other, person, run, 3)
        async with database.service("maintain") as connection:
            await connection.exec_driver_sql(
                "update assistant.runs set process = gen_random_uuid(), lease_until = now() - interval '1 s' "
                "where id = %s",
                (run.id,),
            )
        await chat.runs.sweep()
        live.log.fence()
        task.cancel()
    return live


async def test_a_run_of_a_dead_process_is_ended_and_marked(
    chat: Chat, database: Database, server: Server, make_person: MakePerson
) -> None:
    person = await make_person()
    live = await orphan(chat, database, server, person)
    run = await chat.service.find_run(person.principal, live.client_run_id)
    assert run.status == "interrupted"
    stored = await chat.service.messages(person.principal, person.space_id, thread_id=None, after=None, limit=9)
    assert [(message.message, message.status) for message in stored] == [
        ("What is a bowline?", "interrupted"),
        ("Half of", "interrupted"),
    ]
    after = await chat.service.begin(person.principal, question(person.space_id))
    assert (await read_events(chat, person.principal, after))[-1]["type"] == "RUN_FINISHED"


async def test_a_process_that_lost_its_run_writes_no_more(
    chat: Chat, database: Database, server: Server, make_person: MakePerson
) -> None:
    person = await make_person()
    live = await orphan(chat, database, server, person)
    late = [(live.id, 4, b'{"type":"TEXT_MESSAGE_CONTENT"}', 1)]
    assert (await repository.store(database, late, [], uuid4())).lost == {live.id}
    assert (await repository.store(database, [], [(live.id, 9, "user", b"[]", 1)], uuid4())).lost == {live.id}
    whole = await chat.service.find_run(person.principal, live.client_run_id)
    assert whole.last_seq == 5  # started, text started, text, and what the sweep added: text ended, error


@pytest.mark.parametrize("after", ["", " and this"])
async def test_what_a_crash_of_the_database_took_is_stored_again(
    chat: Chat, database: Database, make_person: MakePerson, after: str
) -> None:
    person, gate = await make_person(), asyncio.Event()

    async def script(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        turn.conversation.append("user", [{"type": "text", "text": turn.question}])
        for piece in ("This", after):
            record.text += piece
            if piece:
                yield TextDelta(piece)
            await gate.wait()

    chat.mentor.script = script
    run = await chat.service.begin(person.principal, question(person.space_id))
    await stored_events(chat, person, run, 3)
    async with database.service("maintain") as connection:  # as if it had not reached the disk
        await connection.exec_driver_sql("delete from assistant.run_events where run_id = %s and seq > 1", (run.id,))
        await connection.exec_driver_sql("delete from assistant.run_steps where run_id = %s", (run.id,))
    gate.set()
    seen = await read_events(chat, person.principal, run)
    assert text_of(seen) == "This" + after
    async with database.service("maintain") as connection:
        events = await connection.exec_driver_sql(
            "select event from assistant.run_events where run_id = %s order by seq", (run.id,)
        )
        steps = await connection.exec_driver_sql(
            "select role from assistant.run_steps where run_id = %s order by n", (run.id,)
        )
        assert [row[0] for row in events] == seen
        assert [row[0] for row in steps] == ["user", "assistant"]


async def test_a_run_that_cannot_be_stored_holds_up_no_other(
    chat: Chat, database: Database, make_person: MakePerson
) -> None:
    person = await make_person()
    chat.mentor.script = lambda turn, record: says("One, ", turn.question.replace("\x01", "\0"))(turn, record)
    broken = await chat.service.begin(person.principal, question(person.space_id, "\x01", thread_id="t-1"))
    whole = await chat.service.begin(person.principal, question(person.space_id, "two", thread_id="t-2"))
    assert (await read_events(chat, person.principal, whole))[-1]["type"] == "RUN_FINISHED"
    async with database.service("maintain") as connection:  # its lease runs out, since nobody renews it
        await connection.exec_driver_sql(
            "update assistant.runs set lease_until = now() - interval '1 s' where id = %s", (broken.id,)
        )
    async with asyncio.timeout(20):
        events = await read_events(chat, person.principal, broken)
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "interrupted")


async def test_live_runs_of_others_are_not_swept(
    chat: Chat, database: Database, server: Server, make_person: MakePerson
) -> None:
    person, gate = await make_person(), asyncio.Event()
    chat.mentor.script = says_and_waits("One", " two", gate=gate)
    run = await chat.service.begin(person.principal, question(person.space_id))
    async with open_chat(database, server) as other:
        await other.runs.sweep()
        assert (await chat.service.find_run(person.principal, run.client_run_id)).status == "running"
    gate.set()
    assert (await read_events(chat, person.principal, run))[-1]["type"] == "RUN_FINISHED"


async def test_closing_interrupts_what_does_not_end_in_time(
    database: Database, server: Server, make_person: MakePerson
) -> None:
    person = await make_person()
    opened = open_chat(database, server)
    async with opened as chat:
        chat.mentor.script = says_and_waits("Half", " it", gate=asyncio.Event())
        run = await chat.service.begin(person.principal, question(person.space_id))
        following = asyncio.create_task(read_events(chat, person.principal, run))
        await asyncio.sleep(0)
    events = await following
    assert events[-1]["code"] == "interrupted"
