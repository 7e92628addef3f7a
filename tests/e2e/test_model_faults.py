"""A model that fails, in each of its ways: the learner is told, the message and what was said by then are kept."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from assistant.llm.model import AnthropicModel
from assistant.llm.retry import Backoff
from tests.e2e.conftest import KeywordModel, Learner, Seed, text_of
from tests.fixtures.database import MakePerson
from tests.fixtures.http import LiveService
from tests.fixtures.processes import Service
from tests.fixtures.scripted_model import Reply, ScriptedModel, event, fail, opening, refuse, say

WHOLE = say("Half ", "of it", " and the rest.")
HALF = len(b"".join(step for step in WHOLE.steps[:4] if isinstance(step, bytes)))
"""Bytes of an answer up to the end of its second delta."""


@dataclass(frozen=True, slots=True)
class Fault:
    replies: tuple[Reply, ...]
    """Of the first call, the second … ; the last one is given to all that follow."""
    code: str | None
    """Of the RUN_ERROR; None: it is got over."""
    calls: int = 1
    text: str = ""


def half_then(*rest: bytes) -> Reply:
    return Reply([*WHOLE.steps[:4], *rest])


FAULTS = {
    "wrong key": Fault((refuse(401, "authentication_error"),), "model_auth"),
    "no credit": Fault((refuse(403, "permission_error"),), "model_auth"),
    "no such model": Fault((refuse(404, "not_found_error"),), "model_not_found"),
    "too long": Fault((refuse(413, "request_too_large"),), "model_bad_request"),
    "overloaded": Fault((refuse(529, "overloaded_error"),), "model_overloaded", calls=3),
    "overloaded for a moment": Fault(
        (refuse(529, "overloaded_error"), refuse(500), WHOLE), None, calls=3, text="Half of it and the rest."
    ),
    "limited for a moment": Fault(
        (refuse(429, "rate_limit_error", retry_after="1"), WHOLE), None, calls=2, text="Half of it and the rest."
    ),
    "limited for long": Fault((refuse(429, "rate_limit_error", retry_after="3600"),), "model_rate_limited"),
    "limited without end": Fault((refuse(429, "rate_limit_error"),), "model_rate_limited"),
    "hangs up": Fault((Reply(hang_up=True),), "model_unavailable", calls=3),
    "closes": Fault((replace(WHOLE, cut_after=HALF),), "model_dropped", text="Half of it"),
    "resets": Fault((replace(WHOLE, cut_after=HALF, cut="reset"),), "model_dropped", text="Half of it"),
    "ends without the end": Fault((replace(half_then(), framing="until-close"),), "model_dropped", text="Half of it"),
    "fails in the middle": Fault((half_then(fail("overloaded_error")),), "model_overloaded", text="Half of it"),
    "sends no JSON": Fault((half_then(b"data: {]\n\n"),), "model_malformed", text="Half of it"),
    "sends a stray delta": Fault(
        (half_then(event("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"})),),
        "model_malformed",
        text="Half of it",
    ),
    "sends a page": Fault(
        (Reply([b"<html>Bad gateway</html>"], headers={"content-type": "text/html"}),), "model_malformed"
    ),
    "declines": Fault(
        (say("I would ", "rather not.", stop_reason="refusal"),), "model_refused", text="I would rather not."
    ),
    "sends what nobody knows": Fault(
        (Reply([opening(), event("weather", forecast="rain"), *WHOLE.steps[1:]]),),
        None,
        text="Half of it and the rest.",
    ),
    "says what cannot be stored": Fault((say("A\0B ", "C"),), None, text="A�B C"),
}


@pytest.fixture(scope="module")
async def running(seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    installation = seed.installation.copy_to(tmp_path_factory.mktemp("faults"), ANTHROPIC_BASE_URL=model.base_url)
    model.on("still there", say("Yes."))
    try:
        yield await installation.serve()
    finally:
        await installation.close()


def in_turn(replies: tuple[Reply, ...]) -> Callable[[Mapping[str, Any]], Reply]:
    left = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda _: next(left)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_model(running: Service, model: KeywordModel, seed: Seed, name: str) -> None:
    fault, question = FAULTS[name], f"the one that {name}?"
    model.on(question, in_turn(fault.replies))
    async with running.client(seed.token) as http:
        # A model of its own: one that fails often is left alone for a while, and that must not hit the next case.
        ada = await Learner(http, seed.space).new_space(model=f"model-{list(FAULTS).index(name)}")
        events = await ada.ask(question, "t")
        await check(ada, events, fault)
        assert len(model.calls(question)) == fault.calls
        if fault.calls < 3 or fault.code is None:
            assert text_of(await ada.ask("Are you still there?", "t")) == "Yes."


async def check(ada: Learner, events: list[dict[str, Any]], fault: Fault) -> None:
    assert text_of(events) == fault.text
    status = "completed" if fault.code is None else "failed"
    asked, answer = await ada.messages("t")
    assert (asked["status"], answer["status"]) == (status, status)
    assert answer["message"] == fault.text
    if fault.code is None:
        assert events[-1]["type"] == "RUN_FINISHED"
        assert answer["metadata"]["error"] is None
        return
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", fault.code)
    assert answer["metadata"]["error"] == {"code": fault.code, "message": events[-1]["message"]}
    assert "scripted" not in events[-1]["message"], "a provider's words may repeat what it was sent"


SOON = 0.3
"""Seconds; a service waits longer."""


@pytest.mark.parametrize(
    ("reply", "code", "text"),
    [
        (Reply(head_after=asyncio.Event()), "model_timeout", ""),
        (Reply([*WHOLE.steps[:4], asyncio.Event()]), "model_stalled", "Half of it"),
    ],
)
async def test_a_model_that_stalls(
    service: LiveService,
    model_server: ScriptedModel,
    make_person: MakePerson,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    code: str,
    text: str,
) -> None:
    hasty = AnthropicModel(
        "key", model_server.base_url, first_byte_timeout=SOON, stall_timeout=SOON, backoff=Backoff(tries=1)
    )
    monkeypatch.setattr(service.app.state.services.runs.mentor, "_model", hasty)
    person = await make_person()
    model_server.script(reply)
    async with service.client(service.token(person.id)) as http:
        ada = Learner(http, str(person.space_id))
        await check(ada, await ada.ask("Hello?", "t"), Fault((), code, text=text))
    await hasty.aclose()
