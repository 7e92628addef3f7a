"""The model client against a Messages-API double that others wrote, lest ours shares our misunderstandings."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assistant.llm.model import (
    AnthropicModel,
    Completed,
    ModelError,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolUseStarted,
)

AIMOCK = Path(__file__).parents[1] / "js/node_modules/@copilotkit/aimock/dist/cli.js"

GREETING = "Grüße an 学习者 🎓, in several pieces, each of them a delta of its own."
TOOL_CALL = {"type": "toolCall", "name": "search_documents", "arguments": '{"query": "Übung"}'}
FIXTURES: list[dict[str, Any]] = [
    {"match": {"userMessage": "greet"}, "response": {"content": GREETING}},
    {"match": {"userMessage": "search"}, "response": {"blocks": [{"type": "text", "text": "I look."}, TOOL_CALL]}},
    {
        "match": {"userMessage": "busy", "sequenceIndex": 0},
        "response": {"error": {"message": "busy", "type": "overloaded_error"}, "status": 529},
    },
    {"match": {"userMessage": "busy", "sequenceIndex": 1}, "response": {"content": "Now."}},
    {
        "match": {"userMessage": "limit"},
        "response": {"error": {"message": "no", "type": "rate_limit_error"}, "status": 429},
    },
    {"match": {"userMessage": "cut"}, "response": {"content": GREETING}, "truncateAfterChunks": 4, "latency": 5},
]


@pytest.fixture
async def aimock_url(tmp_path: Path) -> AsyncIterator[str]:
    node = shutil.which("node")
    if node is None or not AIMOCK.exists():
        pytest.skip("needs node, and `npm ci` in tests/js")
    fixtures = tmp_path / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}))
    server = await asyncio.create_subprocess_exec(
        node, str(AIMOCK), "--port", "0", "--fixtures", str(fixtures), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        async with asyncio.timeout(30):
            said = b""
            while not (address := re.search(rb"listening on (http://127\.0\.0\.1:\d+)\n", said)):
                said += await server.stdout.readline()
                assert not server.stdout.at_eof(), "aimock ended before it listened"
        yield address[1].decode()
    finally:
        if server.returncode is None:
            server.terminate()
        await server.communicate()


@pytest.mark.node
async def test_answers_tools_and_faults_of_another_implementation_are_understood(aimock_url: str) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    model = AnthropicModel(api_key="sk-test", base_url=aimock_url, sleep=sleep)

    async def ask(text: str) -> list[ModelEvent]:
        request = ModelRequest("claude-haiku", [], [{"role": "user", "content": text}], [], 100)
        return [event async for event in model.stream(request)]

    greeting = await ask("greet")
    assert "".join(event.text for event in greeting if isinstance(event, TextDelta)) == GREETING
    assert len(greeting) > 3

    *events, searched = await ask("search")
    assert isinstance(searched, Completed)
    assert searched.stop_reason == "tool_use"
    assert searched.blocks[1]["input"] == {"query": "Übung"}
    assert ToolUseStarted(searched.blocks[1]["id"], "search_documents") in events

    assert TextDelta("Now.") in await ask("busy")
    assert len(slept) == 1

    # It sends `retry-after` with a 429, so that one is tried again; what was cut after its first text is not.
    for question, code, waits in [("limit", "model_rate_limited", 3), ("cut", "model_dropped", 3)]:
        with pytest.raises(ModelError) as caught:
            await ask(question)
        assert caught.value.code == code
        assert len(slept) == waits
    await model.aclose()
