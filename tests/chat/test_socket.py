"""A conversation over the websocket, with a client that others wrote."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from assistant.chat import sockets
from assistant.db.session import Database
from assistant.llm.events import TextDelta
from assistant.mentor.events import MentorEvent, Turn, TurnRecord
from tests.chat.conftest import ScriptedMentor, says, says_and_waits, text_of
from tests.chat.test_http import EVENT, input_of
from tests.fixtures.database import MakePerson, Person, join_space
from tests.fixtures.http import LiveService


@pytest.fixture
async def person(make_person: MakePerson) -> Person:
    return await make_person()


@asynccontextmanager
async def open_socket(
    live: LiveService, space_id: UUID, token: str | None, *, origin: str | None = None, query: str = "", **options: Any
) -> AsyncIterator[ClientConnection]:
    protocols = ["ag-ui.v1", *([f"bearer.{token}"] if token else [])]
    address = f"ws://{live.host}/api/spaces/{space_id}/agent/ws{query}"
    async with connect(address, subprotocols=protocols, origin=origin, **options) as opened:  # type: ignore[arg-type]
        yield opened


async def receive(opened: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        event: dict[str, Any] = json.loads(await opened.recv())
    EVENT.validate_python(event)
    return event


async def receive_run(opened: ClientConnection) -> list[dict[str, Any]]:
    """Events up to the last one of a run."""
    events = [await receive(opened)]
    while events[-1]["type"] not in ("RUN_FINISHED", "RUN_ERROR"):
        events.append(await receive(opened))
    return events


async def test_a_turn(offline_service: LiveService, script: ScriptedMentor, person: Person) -> None:
    script.script = says("A loop ", "that holds.")
    async with open_socket(offline_service, person.space_id, offline_service.token(person.id)) as opened:
        assert opened.subprotocol == "ag-ui.v1"
        for number in range(2):
            await opened.send(json.dumps(input_of("What?", run_id=f"r-{number}")))
            events = await receive_run(opened)
            assert [event["metadata"]["seq"] for event in events] == list(range(1, len(events) + 1))
            assert events[0]["runId"] == f"r-{number}"


async def test_stop_and_resume(offline_service: LiveService, script: ScriptedMentor, person: Person) -> None:
    script.script = says_and_waits("One", " two", gate=asyncio.Event())
    token = offline_service.token(person.id)
    async with open_socket(offline_service, person.space_id, token) as opened:
        await opened.send(json.dumps(input_of("What?", run_id="r-1")))
        first = [await receive(opened) for _ in range(3)]
    async with open_socket(offline_service, person.space_id, token) as opened:
        await opened.send(json.dumps({"type": "subscribe", "runId": "r-1", "after": 2}))
        assert await receive(opened) == first[2]
        await opened.send(json.dumps({"type": "cancel", "runId": "r-1"}))
        rest = await receive_run(opened)
    assert [event["metadata"]["seq"] for event in rest] == [4, 5]
    assert rest[-1]["outcome"] == {"type": "cancelled"}


async def test_two_runs_at_a_time_are_told_apart(
    offline_service: LiveService, script: ScriptedMentor, person: Person
) -> None:
    both = asyncio.Barrier(2)

    async def in_turn(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        """Each piece is said when the other run has said its own."""
        for piece in ("one", "two", "three"):
            await both.wait()
            await turn.conversation.stored()
            record.text += f"{turn.question} {piece}. "
            yield TextDelta(f"{turn.question} {piece}. ")

    script.script = in_turn
    runs: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    async with open_socket(offline_service, person.space_id, offline_service.token(person.id)) as opened:
        for name in runs:
            await opened.send(json.dumps(input_of(name.upper(), run_id=name, thread_id=name)))
        order: list[str] = []
        while sum(event["type"] == "RUN_FINISHED" for events in runs.values() for event in events) < len(runs):
            event = await receive(opened)
            order.append(event["metadata"]["runId"])
            runs[order[-1]].append(event)
    assert order != sorted(order), "they came one after the other"
    for name, events in runs.items():
        assert [event["metadata"]["seq"] for event in events] == list(range(1, len(events) + 1))
        assert (events[0]["runId"], events[-1]["runId"]) == (name, name)
        assert text_of(events) == f"{name.upper()} one. {name.upper()} two. {name.upper()} three. "


@pytest.mark.parametrize(
    ("frame", "code", "path"),
    [
        ("{", "bad_request", None),
        ("7", "bad_request", None),
        ('{"type": "dance"}', "invalid", "type"),
        ('{"type": "subscribe"}', "invalid", "runId"),
        ('{"type": "subscribe", "runId": "r", "after": "1"}', "invalid", "after"),
        ('{"type": "subscribe", "runId": "r-unknown"}', "not_found", None),
        ('{"type": "cancel", "runId": "r-unknown"}', "not_found", None),
        ('{"threadId": "t", "runId": "r"}', "invalid", "messages"),
        (json.dumps(input_of("")), "message_empty", "messages"),
        (json.dumps(input_of("x" * 200_000)), "frame_too_large", None),
        (b"\xff\xfe", "bad_request", None),
        ("[" * 10_000 + "]" * 10_000, "bad_request", None),
    ],
)
async def test_a_bad_frame_is_answered_and_ends_nothing(
    offline_service: LiveService,
    script: ScriptedMentor,
    person: Person,
    frame: str | bytes,
    code: str,
    path: str | None,
) -> None:
    async with open_socket(offline_service, person.space_id, offline_service.token(person.id)) as opened:
        await opened.send(frame)
        answer = await receive(opened)
        assert (answer["type"], answer["code"]) == ("RUN_ERROR", code)
        named = None if path is None else [{"path": path, "message": answer["message"]}]
        assert answer.get("errors") == named
        await opened.send(json.dumps(input_of("What?")))
        assert (await receive_run(opened))[-1]["type"] == "RUN_FINISHED"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://{host}", True),
        ("http://evil.example", False),
        ("null", False),
        ("http://{host}.evil.example", False),
        ("https://evil.example/{host}", False),
        ("http://127.0.0.1:1", False),
        ("file://", False),
    ],
)
async def test_origins(offline_service: LiveService, person: Person, origin: str | None, *, allowed: bool) -> None:
    named = origin and origin.format(host=offline_service.host)
    token = offline_service.token(person.id)
    if allowed:
        async with open_socket(offline_service, person.space_id, token, origin=named) as opened:
            assert opened.subprotocol == "ag-ui.v1"
        return
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(offline_service, person.space_id, token, origin=named):
            pass
    assert refused.value.response.status_code == 403


async def test_who_is_let_in(
    offline_service: LiveService, person: Person, make_person: MakePerson, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = await make_person()
    good = offline_service.token(person.id)
    for token, query, status in (
        (None, "", 401),
        ("x.y.z", "", 401),
        (offline_service.token(person.id, ttl=-60), "", 401),
        (offline_service.token(stranger.id), "", 404),
        (None, f"?token={good}", 400),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(
                offline_service, person.space_id, token, query=query, additional_headers={"X-Request-ID": "try-1"}
            ):
                pass
        response = refused.value.response
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-request-id"] == "try-1"
        assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
        problem = json.loads(response.body)
        assert (problem["status"], problem["type"]) == (status, f"urn:goalspace:problem:{problem['code']}")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_the_token_is_not_echoed(offline_service: LiveService, person: Person) -> None:
    token = offline_service.token(person.id)
    async with open_socket(offline_service, person.space_id, token) as opened:
        assert opened.response is not None
        assert token not in str(opened.response.headers)


async def test_an_expired_token_closes_unless_renewed(
    offline_service: LiveService, script: ScriptedMentor, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"ahead": 0.0}
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + now["ahead"])
    async with open_socket(offline_service, person.space_id, offline_service.token(person.id)) as opened:
        await opened.send(json.dumps({"type": "token", "token": offline_service.token(person.id, ttl=900)}))
        await opened.send(json.dumps(input_of("What?")))
        assert (await receive_run(opened))[-1]["type"] == "RUN_FINISHED"
        now["ahead"] = 1000.0
        await opened.send(json.dumps({"type": "token", "token": offline_service.token(person.id, ttl=700)}))
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_access_taken_away_closes(
    offline_service: LiveService,
    database: Database,
    make_person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, viewer = await make_person(visibility="shared"), await make_person()
    await join_space(database, owner.space_id, viewer.id, "viewer")
    monkeypatch.setattr(sockets, "WATCH_SECONDS", 0.05)
    async with open_socket(offline_service, owner.space_id, offline_service.token(viewer.id)) as opened:
        async with database.transaction(owner.principal) as connection:
            await connection.exec_driver_sql("delete from space_collaborators where user_id = %s", (viewer.id,))
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_key_opens_a_socket_until_it_is_taken_away(
    offline_service: LiveService, script: ScriptedMentor, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "WATCH_SECONDS", 0.05)
    script.script = says("Yes.")
    async with offline_service.client(offline_service.token(person.id)) as client:

        async def make(*scopes: str) -> Any:
            return (await client.post("/api/keys", json={"name": "page", "scopes": scopes})).json()

        reader, key = await make("read", "write"), await make("chat")
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(offline_service, person.space_id, reader["key"]):
                pass
        assert refused.value.response.status_code == 403
        async with open_socket(offline_service, person.space_id, key["key"]) as opened:
            await opened.send(json.dumps(input_of("Is it?")))
            assert (await receive_run(opened))[-1]["type"] == "RUN_FINISHED"
            await opened.send(json.dumps({"type": "token", "token": offline_service.token(person.id)}))
            assert (await receive(opened))["code"] == "unauthorized"
            await client.delete(f"/api/keys/{key['id']}")
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(10):
                    await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_person_has_a_limited_number_of_sockets(
    offline_service: LiveService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PER_USER", 1)
    token = offline_service.token(person.id)
    async with open_socket(offline_service, person.space_id, token):
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(offline_service, person.space_id, token):
                pass
        assert refused.value.response.status_code == 429
        assert int(refused.value.response.headers["retry-after"]) >= 1
    async with open_socket(offline_service, person.space_id, token):
        pass
