"""Frames of a websocket, and positions in a stream, that nobody thought of: answered by a sentence, not by a fault."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.app import create_app
from assistant.db.session import Database
from assistant.settings import Settings
from tests.chat.test_socket import open_socket
from tests.fixtures.api import Caller, open_space
from tests.fixtures.database import make_user
from tests.fixtures.http import LiveService, serve_app
from tests.fuzz.contract import unlimited

WORDS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "?"]) | JSON, "content": JSON}))
COMMANDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["cancel", "subscribe", "token", "resume"]) | JSON},
    optional={"runId": JSON, "after": JSON, "token": JSON},
)
INPUTS = st.fixed_dictionaries(
    {}, optional={"threadId": JSON, "runId": JSON, "messages": MESSAGES | JSON, "resume": JSON}
)
POSITIONS = st.integers().map(str) | st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40)
FRAMES = st.text(max_size=200) | st.binary(max_size=200) | (JSON | COMMANDS | INPUTS).map(json.dumps)


@pytest.fixture(scope="module")
async def live(settings: Settings, server: object) -> AsyncIterator[LiveService]:
    patient = unlimited(settings)
    async with serve_app(create_app(patient), patient) as opened:
        yield opened


@pytest.fixture(scope="module")
async def place(live: LiveService, database: Database) -> tuple[str, Any]:
    """A token and a space."""
    user_id, email = await make_user(database)
    async with live.client(live.token(user_id, email)) as http:
        return live.token(user_id, email), (await open_space(Caller(http)))["id"]


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(frame=FRAMES)
async def test_a_frame_is_obeyed_or_answered(frame: str | bytes, live: LiveService, place: tuple[str, Any]) -> None:
    token, space = place
    async with open_socket(live, space, token) as opened:
        await opened.send(frame)
        await opened.send(json.dumps({"type": "cancel", "runId": "the probe"}))
        async for answer in opened:
            event = json.loads(answer)
            assert event.get("code") not in ("internal_error", None) or event["type"] != "RUN_ERROR"
            if event.get("runId") == "the probe":
                assert event["code"] == "not_found"
                return
    raise AssertionError("the socket was closed")


@settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
@given(position=POSITIONS)
async def test_a_position_in_a_stream_is_one_or_is_refused(
    position: str, live: LiveService, place: tuple[str, Any]
) -> None:
    async with live.client(place[0]) as http:
        answer = await http.get("/api/runs/none/events", headers={b"Last-Event-ID": position.strip().encode("latin-1")})
    assert answer.status_code in (400, 404, 422)
