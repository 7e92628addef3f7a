"""Models that take no tools, and models that stand in for others, which get the very same request."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
import yaml

from assistant.llm.events import Block, Completed, ModelError, ModelRequest
from assistant.llm.model import AnthropicModel
from assistant.llm.pricing import context_window
from assistant.llm.retry import Backoff
from assistant.llm.toolless import says_no_tools, without_tools
from assistant.resources import resource_dir
from tests.fixtures.scripted_model import Reply, ScriptedModel, refuse, say

MARK = {"cache_control": {"type": "ephemeral"}}
CALL: Block = {"type": "tool_use", "id": "toolu_01", "name": "list_tasks", "input": {"status": "todo"}}
RESULT: Block = {"type": "tool_result", "tool_use_id": "toolu_01", "content": "Two tasks."}
REQUEST = ModelRequest(
    model="small",
    system=[{"type": "text", "text": "You are a mentor.", **MARK}],
    messages=[
        {"role": "user", "content": "What is due?"},
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}, CALL]},
        {"role": "user", "content": [{**RESULT, **MARK}]},
    ],
    tools=[{"name": "list_tasks", "description": "Open tasks.", "input_schema": {"type": "object", "properties": {}}}],
    max_tokens=512,
)
NO_TOOLS = refuse(400, "invalid_request_error", message="small does not support tools")

PRICES: dict[str, Any] = yaml.safe_load((resource_dir("plans") / "prices.yaml").read_text("utf-8"))
ALIASES = {
    alias: name
    for provider in PRICES.values()
    for name, said in provider["models"].items()
    for alias in said.get("aliases", ())
}


@pytest.fixture
async def model(model_server: ScriptedModel) -> AsyncIterator[AnthropicModel]:
    made = AnthropicModel("key", model_server.base_url, backoff=Backoff(tries=1))
    yield made
    await made.aclose()


async def ask(model: AnthropicModel, request: ModelRequest = REQUEST) -> Completed:
    last = [event async for event in model.stream(request)][-1]
    assert isinstance(last, Completed)
    return last


def text_of(completed: Completed) -> str:
    return "".join(part["text"] for part in completed.blocks)


async def test_a_model_that_takes_no_tools_is_asked_without_and_that_is_remembered(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(NO_TOOLS, say("Two."), say("Still two."), say("I have tools."))

    with structlog.testing.capture_logs() as logs:
        answers = [await ask(model), await ask(model), await ask(model, replace(REQUEST, model="large"))]

    assert [text_of(each) for each in answers] == ["Two.", "Still two.", "I have tools."]
    first, again, later, other = (request.body for request in model_server.requests)
    assert first["tools"] == other["tools"] == REQUEST.tools
    assert first["messages"] == other["messages"] == REQUEST.messages
    assert again == later
    assert again == {key: value for key, value in first.items() if key != "tools"} | {"messages": again["messages"]}
    assert again["messages"] == [
        {"role": "user", "content": "What is due?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "text", "text": '[Called list_tasks with {"status":"todo"}]'},
            ],
        },
        {"role": "user", "content": [{"type": "text", "text": "[Result of list_tasks]\nTwo tasks.", **MARK}]},
    ]
    assert logs == [{"event": "model_takes_no_tools", "model": "small", "log_level": "warning"}]


@pytest.mark.parametrize(
    "replies",
    [
        [refuse(400, "invalid_request_error", message="tools.0.input_schema does not support oneOf")],
        [NO_TOOLS, NO_TOOLS],
        [NO_TOOLS, refuse(400, "invalid_request_error", message="prompt is too long")],
    ],
    ids=["a schema", "refused again", "something else"],
)
async def test_what_is_refused_for_another_reason_stays_refused(
    model: AnthropicModel, model_server: ScriptedModel, replies: list[Reply]
) -> None:
    model_server.script(*replies)

    with pytest.raises(ModelError) as failed:
        await ask(model)

    assert failed.value.code == "model_bad_request"
    assert failed.value.__context__ is None
    assert len(model_server.requests) == len(replies)


async def test_a_refusal_of_tools_with_another_status_is_what_its_status_says(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(refuse(404, "not_found_error", message="small does not support tools"))

    with pytest.raises(ModelError) as failed:
        await ask(model)

    assert failed.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("registry.ollama.ai/library/gemma:2b does not support tools", True),
        ("This model doesn't support tool use.", True),
        ("The model does not support tools.", True),
        ("Tool calling is not supported by this model", True),
        ("tools are not supported", True),
        ("Function calling is unsupported by this server", True),
        ("does not support function calling", True),
        ("tools.3.custom.input_schema: input_schema does not support oneOf at the top level", False),
        ("tools.0: this tool type is not supported", False),
        ("does not support tools.0.cache_control", False),
        ("this model does not support images", False),
        ("", False),
        (None, False),
    ],
)
def test_which_words_mean_that_no_tools_are_taken(message: str | None, meant: bool) -> None:
    assert says_no_tools(message) is meant


def test_results_of_several_parts_failures_and_calls_out_of_sight_are_told() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    results = [{**RESULT, "content": parts}, {**RESULT, "tool_use_id": "toolu_00", "is_error": True}]

    told = without_tools(replace(REQUEST, messages=[REQUEST.messages[1], {"role": "user", "content": results}]))

    assert [part["text"] for part in told.messages[1]["content"]] == [
        "[Result of list_tasks]\nOne.\nTwo.",
        "[Failure of a tool]\nTwo tasks.",
    ]


@pytest.mark.parametrize("alias", ALIASES)
async def test_a_fallback_gets_the_same_request_but_for_the_model(model_server: ScriptedModel, alias: str) -> None:
    model = AnthropicModel("key", model_server.base_url, fallback=alias, backoff=Backoff(tries=1))
    model_server.script(refuse(529, "overloaded_error"), say("Here."))

    assert text_of(await ask(model)) == "Here."
    await model.aclose()

    first, second = (request.body for request in model_server.requests)
    assert context_window(alias) is not None
    assert second == {**first, "model": ALIASES[alias]}
    assert second["tools"] == REQUEST.tools
    assert second["max_tokens"] == REQUEST.max_tokens
    assert second["system"] == REQUEST.system
    assert second["messages"] == REQUEST.messages


async def test_a_fallback_that_takes_no_tools_answers_without(model_server: ScriptedModel) -> None:
    model = AnthropicModel("key", model_server.base_url, fallback="claude-haiku", backoff=Backoff(tries=1))
    model_server.script(refuse(529, "overloaded_error"), NO_TOOLS, say("Here."))

    assert text_of(await ask(model)) == "Here."
    await model.aclose()

    assert ["tools" in request.body for request in model_server.requests] == [True, True, False]
