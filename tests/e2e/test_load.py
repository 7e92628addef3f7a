"""More at a time than there is room for: few connections to the database, readers that do not read."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.chat.conftest import ScriptedMentor, says
from tests.e2e.conftest import KeywordModel, Learner, Seed, text_of
from tests.fixtures.database import MakePerson
from tests.fixtures.http import LiveService
from tests.fixtures.processes import Service
from tests.fixtures.scripted_model import say

TURNS: Final = 40
STALLED: Final = 50
HEALTHY: Final = 10

GROWTH_BYTES: Final = 50 * 1024 * 1024
"""What readers that do not read may cost the service."""

STORIES: Final = tuple(f"story-{number}" for number in range(16))
LONG: Final = 290_000
"""Characters of each: together more than the kernel's buffers of a socket take."""


@pytest.fixture(scope="module")
async def running(seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    installation = seed.installation.copy_to(
        tmp_path_factory.mktemp("load"),
        ANTHROPIC_BASE_URL=model.base_url,
        GOALSPACE_POOL_SIZE="2",
        GOALSPACE_TURNS_PER_MINUTE="0",
    )
    try:
        yield await installation.serve()
    finally:
        await installation.close()


async def test_no_connection_is_held_while_the_model_works(running: Service, model: KeywordModel, seed: Seed) -> None:
    model.on("take your time", say("Done ", "at last.", gap=0.2))
    limits = httpx2.Limits(max_connections=TURNS)
    async with running.client(seed.token, limits=limits) as http:
        ada = Learner(http, seed.space)
        answers = await asyncio.gather(*(ada.ask("take your time", f"t-{number}") for number in range(TURNS)))
        for events in answers:
            assert text_of(events) == "Done at last.", events[-1]
            assert events[-1]["type"] == "RUN_FINISHED"
        messages = [message for number in range(TURNS) for message in await ada.messages(f"t-{number}")]
    assert [message["status"] for message in messages] == ["completed"] * (2 * TURNS)
    assert "busy" not in running.err
    assert "unavailable" not in running.err


async def test_readers_that_do_not_read(running: Service, model: KeywordModel, seed: Seed) -> None:
    model.on("a long story", say(*["x" * 1000] * (LONG // 1000)))
    model.on("a short one", say("Once upon a time."))
    async with running.client(seed.token) as http, AsyncExitStack() as stalled:
        ada = Learner(http, seed.space)
        await asyncio.gather(*(ada.ask("a long story", run, run=run) for run in STORIES))
        process = psutil.Process(running.pid)
        before = process.memory_info().rss
        sockets = [
            await stalled.enter_async_context(open_and_stall(running.address, seed.space, seed.token))
            for _ in range(STALLED)
        ]
        for _ in range(2):
            answers = await asyncio.gather(*(ada.ask("a short one") for _ in range(HEALTHY)))
            assert all(text_of(events) == "Once upon a time." for events in answers)
        assert process.memory_info().rss - before < GROWTH_BYTES
        # One that reads on has lost nothing.
        assert await read_on(sockets[0]) == len(STORIES) * LONG


@asynccontextmanager
async def open_and_stall(address: str, space: str, token: str) -> AsyncIterator[ClientConnection]:
    """A websocket that asks for all stories and then takes no byte from the wire."""
    url = f"{address.replace('http', 'ws', 1)}/api/spaces/{space}/agent/ws"
    protocols = [Subprotocol("ag-ui.v1"), Subprotocol(f"bearer.{token}")]
    wire = await open_narrow(address)
    opened = await connect(url, sock=wire, subprotocols=protocols, compression=None, max_queue=1)
    try:
        opened.transport.pause_reading()
        for run in STORIES:
            await opened.send(json.dumps({"type": "subscribe", "runId": run, "after": 0}))
        yield opened
    finally:
        opened.transport.abort()


async def open_narrow(address: str) -> socket.socket:
    """A connection that takes little before it is read from."""
    parts = urlsplit(address)
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.setblocking(False)
    await asyncio.get_running_loop().sock_connect(wire, (parts.hostname, parts.port))
    return wire


async def read_on(opened: ClientConnection) -> int:
    """Characters of all stories."""
    opened.transport.resume_reading()
    characters, told = 0, 0
    while told < len(STORIES):
        event = json.loads(await opened.recv())
        characters += len(event.get("delta", ""))
        told += event["type"] == "RUN_FINISHED"
    return characters


SOON: Final = 0.2
"""Seconds; a service waits longer."""


async def test_a_socket_that_does_not_read_is_closed_and_can_resume(
    offline_service: LiveService, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentor = ScriptedMentor(says("x" * LONG))
    monkeypatch.setattr(offline_service.app.state.services.runs, "mentor", mentor)
    monkeypatch.setattr("assistant.chat.socket.SEND_SECONDS", SOON)
    person = await make_person()
    token, space = offline_service.token(person.id), str(person.space_id)
    async with offline_service.client(token) as http:
        ada = Learner(http, space)
        await asyncio.gather(*(ada.ask("Tell me!", run, run=run) for run in STORIES))
        async with open_and_stall(offline_service.address, space, token) as opened:
            await asyncio.sleep(2 * SOON)
            with pytest.raises(ConnectionClosed):
                await read_on(opened)
            assert opened.close_code == 4408
        assert len(text_of(await ada.replay(STORIES[-1], after=0))) == LONG


async def test_a_request_whose_answer_is_not_read_is_ended(
    offline_service: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.serving.SEND_SECONDS", SOON)
    loop, wire = asyncio.get_running_loop(), await open_narrow(offline_service.address)
    with wire:
        await loop.sock_sendall(wire, b"GET /schema/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
        await asyncio.sleep(4 * SOON)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while await loop.sock_recv(wire, 1024 * 1024):
                    pass
