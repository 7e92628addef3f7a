"""AG-UI's own client for JavaScript holds a conversation with the running service."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import KeywordModel, Seed
from tests.fixtures.processes import Service
from tests.fixtures.scripted_model import Reply, Step, ToolUse, refuse, say

pytestmark = pytest.mark.node

SCRIPT: Final = Path(__file__).parents[1] / "js/conversation.mjs"

QUOTE: Final = "The bowline makes a fixed loop at the end of a rope."
ANSWER: Final = f"{QUOTE} [1]"
"""Of a model that was shown the document as passage 1."""


@pytest.fixture(scope="module")
async def transcript(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Any]]:
    """What the client made of each turn."""
    is_resuming = asyncio.Event()
    model.on("makes a loop", say(ANSWER[:20], ANSWER[20:], output_tokens=21))
    model.on("is to do", lambda body: say("Nothing.") if "tool_result" in str(body) else say(ToolUse("list_tasks", {})))
    model.on("about ropes", paused(say("Ropes are", " strong."), is_resuming))
    model.on("broken model", refuse(401, "authentication_error", message="invalid x-api-key sk-canary"))
    model.on("that again", say("The bowline."))
    installation = seed.installation.copy_to(tmp_path_factory.mktemp("agent"), ANTHROPIC_BASE_URL=model.base_url)
    try:
        service = await installation.serve()
        yield await converse(service, seed, is_resuming)
    finally:
        await installation.close()


async def converse(service: Service, seed: Seed, is_resuming: asyncio.Event) -> dict[str, Any]:
    client = await asyncio.create_subprocess_exec(
        "node", SCRIPT, service.address, seed.space, stdin=-1, stdout=-1, stderr=-1, limit=1024 * 1024
    )
    assert client.stdin is not None
    assert client.stdout is not None
    assert client.stderr is not None
    client.stdin.write(seed.token.encode())
    client.stdin.close()
    turns: dict[str, Any] = {}
    try:
        async with asyncio.timeout(60):
            async for line in client.stdout:
                name, told = json.loads(line)
                turns[name] = told
                if name == "refused":  # what comes next is the rest of the answer that was left
                    is_resuming.set()
            assert await client.wait() == 0, (await client.stderr.read()).decode()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    return turns


def paused(reply: Reply, gate: asyncio.Event) -> Reply:
    """Its second delta waits for the gate."""
    steps: list[Step] = list(reply.steps)
    return Reply([*steps[:3], gate, *steps[3:]])


def test_a_cited_answer(transcript: dict[str, Any]) -> None:
    told = transcript["cited"]
    assert told["text"] == ANSWER
    assert [seq for seq, _ in told["events"]] == list(range(1, len(told["events"]) + 1))
    (citation,) = told["custom"]["citations"]
    assert (citation["index"], citation["title"]) == (1, "Knots")
    assert citation["quote"] == QUOTE
    assert citation["document_id"]
    assert citation["end"] - citation["start"] == len(QUOTE)
    assert told["outcome"] == "success"
    (usage,) = told["usage"]
    assert (usage["provider"], usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (
        "anthropic",
        25,
        21,
        46,
    )
    (message,) = told["newMessages"]
    assert (message["role"], message["content"]) == ("assistant", ANSWER)


def test_a_tool_call(transcript: dict[str, Any]) -> None:
    told = transcript["tool"]
    assert told["tools"] == [["list_tasks", {}]]
    (result,) = told["results"]
    assert json.loads(result)["status"] == "done"
    assert told["custom"]["tool_result"]["tool"] == "list_tasks"
    assert told["text"] == "Nothing."
    assert told["outcome"] == "success"
    assert [message["role"] for message in told["newMessages"]] == ["assistant", "tool"]


def test_a_second_question_meanwhile_is_refused(transcript: dict[str, Any]) -> None:
    thrown = transcript["refused"]["thrown"]
    assert thrown["status"] == 409
    assert json.loads(thrown["payload"])["code"] == "run_active"


def test_an_answer_that_was_left_is_resumed(transcript: dict[str, Any]) -> None:
    left, resumed = transcript["left"], transcript["resumed"]
    assert left["text"] == "Ropes are"
    assert left["outcome"] is None
    assert resumed["text"] == "Ropes are strong."
    assert resumed["events"][: len(left["events"])] == left["events"]
    assert resumed["outcome"] == "success"


def test_a_failing_model(transcript: dict[str, Any]) -> None:
    assert transcript["failed"]["error"]["code"] == "model_auth"
    assert "canary" not in json.dumps(transcript)


def test_the_conversation_goes_on(transcript: dict[str, Any], model: KeywordModel) -> None:
    """With what the server knows, whatever the client believes that was said."""
    assert transcript["next"]["text"] == "The bowline."
    (told,) = model.calls("that again")
    conversation = json.dumps(told["messages"])
    for said in (QUOTE, "Nothing.", "Ropes are strong."):
        assert said in conversation
    assert [message["role"] for message in transcript["messages"]][:2] == ["user", "assistant"]
