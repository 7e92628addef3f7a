"""The model client against a scripted server: every class of fault, with the calls counted."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from assistant.errors import ConfigurationError
from assistant.llm.model import (
    NO_USAGE,
    AnthropicModel,
    Completed,
    ModelError,
    ModelEvent,
    ModelRequest,
    TextDelta,
    Usage,
)
from tests.fixtures.scripted_model import (
    PING,
    Reply,
    ScriptedModel,
    ToolUse,
    block,
    ending,
    event,
    fail,
    opening,
    refuse,
    say,
)

REQUEST = ModelRequest(
    model="claude-3-haiku",
    system=[{"type": "text", "text": "You are a mentor.", "cache_control": {"type": "ephemeral"}}],
    messages=[
        {"role": "user", "content": [{"type": "text", "text": "What is due?", "cache_control": {"type": "ephemeral"}}]}
    ],
    tools=[{"name": "list_tasks", "description": "Open tasks.", "input_schema": {"type": "object", "properties": {}}}],
    max_tokens=512,
)
HELLO = block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": "Hello"}])
SOON = 0.05
"""Seconds of real waiting where a server is silent for ever."""


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Outcome:
    events: list[ModelEvent] = field(default_factory=list)
    error: ModelError | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def completed(self) -> Completed:
        assert self.error is None
        last = self.events[-1]
        assert isinstance(last, Completed)
        return last

    @property
    def code(self) -> str:
        assert self.error is not None
        assert not any(isinstance(event, Completed) for event in self.events)
        return self.error.code


async def ask(
    model: AnthropicModel, request: ModelRequest = REQUEST, on_event: Callable[[], None] = lambda: None
) -> Outcome:
    outcome = Outcome()
    try:
        async for each in model.stream(request):
            outcome.events.append(each)
            on_event()
    except ModelError as error:
        outcome.error = error
    return outcome


@pytest.fixture
def time() -> Time:
    return Time()


ModelFactory = Callable[..., AnthropicModel]


@pytest.fixture
async def make_model(model_server: ScriptedModel, time: Time) -> AsyncIterator[ModelFactory]:
    made: list[AnthropicModel] = []

    def make(**options: Any) -> AnthropicModel:
        options = {"api_key": "sk-test", "base_url": model_server.base_url, "chance": lambda: 0.5, **options}
        made.append(AnthropicModel(clock=time, now=time, sleep=time.sleep, **options))
        return made[-1]

    yield make
    for model in made:
        await model.aclose()


@pytest.fixture
def model(make_model: ModelFactory) -> AnthropicModel:
    return make_model()


async def test_an_answer_is_streamed_and_the_request_passes_verbatim(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(say("Two ", "tasks.", ToolUse("list_tasks", {"status": "todo"}), model="claude-haiku-5-5"))

    outcome = await ask(model)

    assert outcome.text == "Two tasks."
    assert outcome.completed.stop_reason == "tool_use"
    assert outcome.completed.usage == Usage(25, 15, 0, 0)
    assert outcome.completed.model == "claude-haiku-5-5"
    sent = model_server.requests[0]
    assert sent.body == {
        "model": "claude-haiku-5-5",
        "system": REQUEST.system,
        "messages": REQUEST.messages,
        "tools": REQUEST.tools,
        "max_tokens": 512,
        "stream": True,
    }
    assert sent.headers["authorization"] == "Bearer sk-test"


async def test_empty_system_and_tools_are_left_out(model: AnthropicModel, model_server: ScriptedModel) -> None:
    model_server.script(say("Hi"))

    await ask(model, ModelRequest("m", [], REQUEST.messages, [], 10))

    assert not {"system", "tools"} & set(model_server.requests[0].body)


async def test_a_server_without_keys_gets_none_also_if_the_environment_has_one(
    make_model: ModelFactory, model_server: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-somebody")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-somebody")
    model_server.script(say("Hi"))

    outcome = await ask(make_model(api_key=None))

    assert outcome.text == "Hi"
    assert not {"authorization", "x-api-key"} & set(model_server.requests[0].headers)


@pytest.mark.parametrize("key", ["sk-test\n", " sk-test", "sk-\x00test", "sk-tést", "sk\r\nx-evil: 1"])
def test_a_key_that_no_header_can_hold_is_a_wrong_setting(key: str) -> None:
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY") as caught:
        AnthropicModel(api_key=key)
    assert key.strip() not in str(caught.value)


async def test_one_connection_serves_one_call_after_the_other(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(say("one"), refuse(400), say("two"), say("three"))

    assert [(await ask(model)).text for _ in range(4)] == ["one", "", "two", "three"]

    assert model_server.connections == 1


async def test_many_answers_are_read_at_once(model: AnthropicModel, model_server: ScriptedModel) -> None:
    model_server.answer = lambda body: say(*body["messages"][0]["content"])
    asked = [ModelRequest("m", [], [{"role": "user", "content": f"question {n}"}], [], 10) for n in range(30)]

    outcomes = await asyncio.gather(*(ask(model, request) for request in asked))

    assert [outcome.text for outcome in outcomes] == [f"question {n}" for n in range(30)]


RETRIED = [
    (408, "timeout_error", "model_unavailable"),
    (409, "conflict_error", "model_unavailable"),
    (500, "api_error", "model_unavailable"),
    (502, "api_error", "model_unavailable"),
    (503, "api_error", "model_unavailable"),
    (504, "timeout_error", "model_unavailable"),
    (529, "overloaded_error", "model_overloaded"),
]
NOT_RETRIED = [
    (400, "invalid_request_error", "model_bad_request"),
    (401, "authentication_error", "model_auth"),
    (402, "billing_error", "model_auth"),
    (403, "permission_error", "model_auth"),
    (404, "not_found_error", "model_not_found"),
    (413, "request_too_large", "model_bad_request"),
    (422, "invalid_request_error", "model_bad_request"),
    (429, "rate_limit_error", "model_rate_limited"),
]


@pytest.mark.parametrize(("status", "kind", "code"), RETRIED)
async def test_a_passing_fault_is_tried_three_times_with_full_jitter(
    model: AnthropicModel, model_server: ScriptedModel, time: Time, status: int, kind: str, code: str
) -> None:
    model_server.script(*3 * [refuse(status, kind)])

    outcome = await ask(model)

    assert outcome.code == code
    assert outcome.error is not None
    assert outcome.error.retryable
    assert outcome.error.usage == NO_USAGE
    assert len(model_server.requests) == 3
    assert time.slept == [0.25, 0.5]  # half of 0.5 s, then of 1 s


@pytest.mark.parametrize(("status", "kind", "code"), NOT_RETRIED)
async def test_a_lasting_fault_is_not_tried_again(
    model: AnthropicModel, model_server: ScriptedModel, time: Time, status: int, kind: str, code: str
) -> None:
    model_server.script(refuse(status, kind))

    outcome = await ask(model)

    assert outcome.code == code
    assert outcome.error is not None
    assert not outcome.error.retryable
    assert outcome.error.usage == NO_USAGE
    assert len(model_server.requests) == 1
    assert time.slept == []


async def test_a_retry_that_succeeds_is_all_that_the_reader_sees(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(refuse(529, "overloaded_error"), refuse(500), say("Here."))

    outcome = await ask(model)

    assert outcome.text == "Here."
    assert outcome.completed.usage == Usage(25, 15, 0, 0)


async def test_a_rate_limit_with_a_time_is_waited_for(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    model_server.script(refuse(429, "rate_limit_error", retry_after="3"), say("Here."))

    assert (await ask(model)).text == "Here."

    assert time.slept == [3.25]


async def test_a_date_in_retry_after_is_waited_for(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    date = "Thu, 01 Jan 1970 00:16:44 GMT"  # 1,004 seconds: four from the clock's now
    model_server.script(refuse(503, retry_after=date), say("Here."))

    assert (await ask(model)).text == "Here."

    assert time.slept == [4.25]


async def test_a_wait_beyond_the_budget_ends_the_call_at_once_and_is_told(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    model_server.script(refuse(429, "rate_limit_error", retry_after="21"))

    outcome = await ask(model)

    assert outcome.code == "model_rate_limited"
    assert outcome.error is not None
    assert (outcome.error.retryable, outcome.error.retry_after) == (True, 21.0)
    assert len(model_server.requests) == 1
    assert time.slept == []


async def test_all_tries_together_stay_within_twenty_seconds(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    model_server.script(*2 * [refuse(529, "overloaded_error", retry_after="15")])

    outcome = await ask(model)

    assert outcome.code == "model_overloaded"
    assert len(model_server.requests) == 2
    assert sum(time.slept) <= 20


@pytest.mark.parametrize(
    "reply",
    [
        refuse(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}, retry_after="1"),
        refuse(429, "rate_limit_error", message="You have reached your monthly spend limit.", retry_after="1"),
        refuse(529, "overloaded_error", x_should_retry="false"),
        refuse(429, "rate_limit_error", retry_after="soon"),
    ],
    ids=["spend limit by code", "spend limit by text", "the provider forbids it", "no sensible time"],
)
async def test_what_waiting_does_not_help_is_not_tried_again(
    model: AnthropicModel, model_server: ScriptedModel, reply: Reply
) -> None:
    model_server.script(reply)

    outcome = await ask(model)

    assert outcome.error is not None
    assert not outcome.error.retryable
    assert len(model_server.requests) == 1


async def test_nobody_at_the_address_is_unavailable_after_three_tries(time: Time) -> None:
    async with ScriptedModel() as gone:
        address = gone.base_url
    model = AnthropicModel(base_url=address, clock=time, sleep=time.sleep)

    outcome = await ask(model)
    await model.aclose()

    assert outcome.code == "model_unavailable"
    assert outcome.error is not None
    assert outcome.error.usage == NO_USAGE
    assert len(time.slept) == 2


async def test_a_connection_closed_without_an_answer_is_tried_again(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(Reply(hang_up=True), say("Here."))

    assert (await ask(model)).text == "Here."


@pytest.mark.parametrize("steps", [[], [asyncio.Event()]], ids=["no head", "no body"])
async def test_silence_from_the_start_is_a_timeout_and_tried_again(
    make_model: ModelFactory, model_server: ScriptedModel, steps: list[asyncio.Event]
) -> None:
    silent = Reply(steps, head_after=None if steps else asyncio.Event())
    model_server.script(silent, say("Here."), silent, silent, silent)
    model = make_model(first_byte_timeout=SOON)

    assert (await ask(model)).text == "Here."
    outcome = await ask(model)

    assert outcome.code == "model_timeout"
    assert outcome.error is not None
    assert outcome.error.usage == Usage()
    assert len(model_server.requests) == 5


async def test_silence_in_the_answer_is_a_stall_and_keeps_the_text(
    make_model: ModelFactory, model_server: ScriptedModel
) -> None:
    model_server.script(Reply([opening(), *HELLO, asyncio.Event()]))
    model = make_model(first_byte_timeout=SOON, stall_timeout=SOON)

    outcome = await ask(model)

    assert (outcome.text, outcome.code) == ("Hello", "model_stalled")
    assert outcome.error is not None
    assert outcome.error.usage == Usage(25, None, 0, 0)
    assert len(model_server.requests) == 1


async def test_pings_keep_a_quiet_answer_alive(make_model: ModelFactory, model_server: ScriptedModel) -> None:
    quiet = [step for _ in range(6) for step in (PING, SOON)]
    model_server.script(Reply([opening(), *HELLO, *quiet, *ending()]))
    model = make_model(first_byte_timeout=4 * SOON, stall_timeout=4 * SOON)

    assert (await ask(model)).completed.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "how",
    [{"cut": "close"}, {"cut": "reset"}, {"framing": "until-close"}, {"framing": "until-close", "cut": "reset"}],
    ids=["chunked closed", "chunked reset", "plain closed", "plain reset"],
)
async def test_a_line_dropped_after_text_is_told_and_not_tried_again(
    model: AnthropicModel, model_server: ScriptedModel, how: dict[str, Any]
) -> None:
    shown = asyncio.Event()  # a reset may overtake what was sent before it
    model_server.script(Reply([opening(), *HELLO, shown, PING], cut_after=len(opening() + b"".join(HELLO)) + 1, **how))

    outcome = await ask(model, on_event=shown.set)

    assert (outcome.text, outcome.code) == ("Hello", "model_dropped")
    assert outcome.error is not None
    assert outcome.error.usage == Usage(25, None, 0, 0)
    assert len(model_server.requests) == 1


async def test_an_answer_cut_at_any_byte_on_the_wire_is_never_complete(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    reply = say("Grüße ", "an 学习者 🎓", ToolUse("create_task", {"title": "Übung"}))
    begun = reply.body.index(b"event: content_block_delta")

    for end in range(begun, len(reply.body) - 1, 29):
        for framing in ("chunked", "until-close"):
            model_server.script(Reply(reply.steps, cut_after=end, framing=framing))
            outcome = await ask(model)
            assert outcome.code == "model_dropped", end
            assert "Grüße an 学习者 🎓".startswith(outcome.text), end


@pytest.mark.parametrize(
    "first",
    [Reply([opening()], cut_after=10_000, framing="until-close"), Reply([opening(), fail("overloaded_error")])],
    ids=["dropped", "error event"],
)
async def test_a_fault_before_any_content_is_tried_again_and_its_tokens_are_counted(
    model: AnthropicModel, model_server: ScriptedModel, first: Reply
) -> None:
    model_server.script(first, say("Here."))

    outcome = await ask(model)

    assert outcome.text == "Here."
    assert outcome.completed.usage == Usage(50, 15, 0, 0)


async def test_an_error_event_after_text_ends_the_answer(model: AnthropicModel, model_server: ScriptedModel) -> None:
    model_server.script(Reply([opening(), *HELLO, fail("overloaded_error")]))

    outcome = await ask(model)

    assert (outcome.text, outcome.code) == ("Hello", "model_overloaded")
    assert len(model_server.requests) == 1


async def test_malformed_events_end_the_answer_but_keep_its_text(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(Reply([opening(), *HELLO, b"data: {oops\n\n", *ending()]))

    outcome = await ask(model)

    assert (outcome.text, outcome.code) == ("Hello", "model_malformed")


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8", ""])
async def test_a_page_in_place_of_a_stream_is_malformed(
    model: AnthropicModel, model_server: ScriptedModel, kind: str
) -> None:
    model_server.script(Reply([b"<html>Please log in</html>"], headers={"content-type": kind}))

    outcome = await ask(model)

    assert outcome.code == "model_malformed"
    assert len(model_server.requests) == 1


async def test_a_refusal_and_the_length_limit_end_differently(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.script(say("No", stop_reason="refusal"), say("Long", stop_reason="max_tokens"))

    assert (await ask(model)).code == "model_refused"
    assert (await ask(model)).completed.stop_reason == "max_tokens"
    assert len(model_server.requests) == 2


@pytest.mark.parametrize("steps", [[opening(), *HELLO, asyncio.Event()], [asyncio.Event()]], ids=["text", "silence"])
async def test_cancelling_the_reader_closes_the_connection_at_once(
    model: AnthropicModel, model_server: ScriptedModel, steps: list[Any]
) -> None:
    arrived = asyncio.Event()

    def answer(_: object) -> Reply:
        arrived.set()
        return Reply(steps)

    model_server.answer = answer
    reader = asyncio.create_task(ask(model))
    await arrived.wait()

    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    async with asyncio.timeout(5):
        await model_server.requests[0].disconnected.wait()


async def test_leaving_early_closes_the_connection_at_once(model: AnthropicModel, model_server: ScriptedModel) -> None:
    model_server.script(Reply([opening(), *HELLO, asyncio.Event()]))

    async with aclosing(model.stream(REQUEST)) as events:
        assert await anext(events) == TextDelta("Hello")

    async with asyncio.timeout(5):
        await model_server.requests[0].disconnected.wait()


async def test_an_outage_costs_few_calls_and_ends_within_ten_seconds_of_recovery(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    model_server.answer = lambda _: refuse(529, "overloaded_error")
    for _ in range(5):
        await ask(model)
    before = len(model_server.requests)

    for _ in range(1_000):
        outcome = await ask(model)
        assert outcome.code == "model_overloaded"
        assert outcome.error is not None
        assert 0 <= (outcome.error.retry_after or 0) <= 5
        time.now += 0.1
    assert len(model_server.requests) - before <= 21  # 100 seconds, one probe in each five
    assert before <= 15

    model_server.answer = lambda _: say("Back.")
    healthy_at = time.now
    while (await ask(model)).text != "Back.":
        time.now += 0.1
    assert time.now - healthy_at <= 10
    assert (await ask(model)).text == "Back."


async def test_many_calls_at_once_in_an_outage_are_not_multiplied_by_retries(
    model: AnthropicModel, model_server: ScriptedModel
) -> None:
    model_server.answer = lambda _: refuse(529, "overloaded_error")

    outcomes = await asyncio.gather(*(ask(model) for _ in range(200)))

    assert {outcome.code for outcome in outcomes} == {"model_overloaded"}
    assert len(model_server.requests) <= 220


async def test_retries_stay_a_tenth_of_the_calls_where_the_breaker_stays_closed(
    model: AnthropicModel, model_server: ScriptedModel, time: Time
) -> None:
    replies = iter([reply for _ in range(2_000) for reply in (refuse(529, "overloaded_error"), say("Here."))])
    model_server.answer = lambda _: next(replies)

    for _ in range(300):
        await ask(model)

    retries = len(model_server.requests) - 300
    assert 30 <= retries <= 300 * 0.1 + 10 + sum(time.slept) * 10 / 60


async def test_one_model_in_trouble_does_not_stop_another(model: AnthropicModel, model_server: ScriptedModel) -> None:
    def answer(body: Any) -> Reply:
        return refuse(529, "overloaded_error") if body["model"] == "ill" else say("Fine.")

    model_server.answer = answer
    for _ in range(5):
        await ask(model, ModelRequest("ill", [], REQUEST.messages, [], 10))

    assert (await ask(model, ModelRequest("well", [], REQUEST.messages, [], 10))).text == "Fine."


async def test_the_fallback_answers_where_the_first_model_cannot(
    make_model: ModelFactory, model_server: ScriptedModel
) -> None:
    model = make_model(fallback="claude-sonnet")

    def answer(body: Any) -> Reply:
        ill = body["model"] == "claude-haiku-5-5"
        return refuse(529, "overloaded_error") if ill else say("Here.", model=body["model"])

    model_server.answer = answer
    first = await ask(model)
    asked = [request.body["model"] for request in model_server.requests]
    for _ in range(3):  # with the breaker open, too
        outcome = await ask(model)

    assert first.completed.model == outcome.completed.model == "claude-sonnet-5-5"
    assert asked == 3 * ["claude-haiku-5-5"] + ["claude-sonnet-5-5"]
    assert all(request.body["messages"] == REQUEST.messages for request in model_server.requests)


async def test_the_fallback_is_tried_once_and_its_failure_is_told(
    make_model: ModelFactory, model_server: ScriptedModel
) -> None:
    model = make_model(fallback="claude-sonnet")
    model_server.script(*3 * [refuse(529, "overloaded_error")], refuse(503))

    assert (await ask(model)).code == "model_unavailable"
    assert len(model_server.requests) == 4


@pytest.mark.parametrize(
    "reply", [refuse(400, "invalid_request_error"), Reply([opening(), *HELLO, fail("overloaded_error")])]
)
async def test_no_fallback_for_what_it_cannot_mend_or_what_was_seen(
    make_model: ModelFactory, model_server: ScriptedModel, reply: Reply
) -> None:
    model = make_model(fallback="claude-sonnet")
    model_server.script(reply)

    assert (await ask(model)).error is not None
    assert len(model_server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        refuse(401, "authentication_error", message="CANARY-provider: CANARY-question with CANARY-key"),
        refuse(400, "CANARY-type: what is CANARY-question", details={"error_code": "CANARY-question ?"}),
        Reply([opening(), *HELLO, fail("CANARY type", message="CANARY-question")]),
        Reply([opening(), event("content_block_start", index="CANARY-question", content_block={})]),
        Reply([b"CANARY-question"], headers={"content-type": "CANARY question"}),
        Reply([opening(), *HELLO], cut_after=400),
        Reply(hang_up=True),
    ],
    ids=["401", "400", "error event", "malformed", "content type", "cut", "hung up"],
)
async def test_no_key_no_question_and_no_text_of_the_provider_reaches_errors_or_logs(
    make_model: ModelFactory, model_server: ScriptedModel, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = make_model(api_key="CANARY-key")
    model_server.answer = lambda _: reply
    question = [{"role": "user", "content": "CANARY-question"}]

    with structlog.testing.capture_logs() as logs:
        outcome = await ask(model, ModelRequest("CANARY model of mine", [], question, [], 10))

    assert outcome.error is not None
    seen = [
        *traceback.format_exception(outcome.error),
        repr(outcome.error),
        repr(vars(outcome.error)),
        repr(model),
        repr(logs),
        caplog.text,
    ]
    assert logs
    assert "CANARY" not in "".join(seen)
    assert outcome.error.__context__ is None
    assert outcome.error.detail.count(".") == 1
