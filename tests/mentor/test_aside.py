"""Calls beside the conversation are paid for however they end, under the model that answered."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from assistant.llm.events import Completed, FellBack, ModelError, ModelEvent, ModelRequest, TextDelta, Usage
from assistant.llm.prompts import PromptLibrary
from assistant.llm.tokens import text_tokens
from assistant.mentor.titles import Titles
from assistant.resources import resource_dir
from assistant.usage.entries import ModelCall

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
HALF = TextDelta("Knots and how")


class Speaker:
    """Says what it is told to, then fails where that is said."""

    name = "scripted"
    fallback = SONNET

    def __init__(self, *events: ModelEvent | ModelError) -> None:
        self.events = events

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        for event in self.events:
            if isinstance(event, ModelError):
                raise event
            yield event


async def bill_of(*events: ModelEvent | ModelError) -> tuple[ModelCall, ModelCall]:
    """What was planned, and what it came to."""
    calls: list[ModelCall] = []

    @asynccontextmanager
    async def pay(planned: ModelCall, output_tokens: int) -> AsyncIterator[list[ModelCall]]:
        calls.append(planned)
        yield calls

    titles = Titles(Speaker(*events), PromptLibrary(resource_dir("prompts")), HAIKU)
    if isinstance(events[-1], ModelError):
        with pytest.raises(ModelError):
            await titles.name("What is a bowline?", "A knot.", pay)
    else:
        await titles.name("What is a bowline?", "A knot.", pay)
    planned, call = calls
    return planned, call


async def test_a_call_that_breaks_off_is_paid_for_by_estimate() -> None:
    planned, call = await bill_of(HALF, ModelError("model_dropped", usage=Usage(25, None, 0, 0)))
    assert (call.usage, call.outcome, call.estimated) == (Usage(25, text_tokens(HALF.text), 0, 0), "failed", True)
    planned, call = await bill_of(ModelError("model_timeout", usage=Usage()))
    assert planned.usage.input_tokens
    assert (call.usage, call.tokens) == (Usage(planned.usage.input_tokens, 0, 0, 0), planned.usage.input_tokens)


async def test_a_call_that_was_refused_costs_nothing() -> None:
    _, call = await bill_of(ModelError("model_overloaded"))
    assert (call.tokens, call.outcome, call.estimated) == (0, "failed", False)


async def test_a_call_that_falls_back_is_the_other_models() -> None:
    whole = Completed([{"type": "text", "text": HALF.text}], "end_turn", Usage(25, 4, 0, 0), SONNET)
    planned, call = await bill_of(FellBack(SONNET), HALF, whole)
    assert (planned.model, planned.fallback) == (HAIKU, SONNET)
    assert (call.model, call.outcome, call.tokens, call.estimated) == (SONNET, "ok", 29, False)
    _, broken = await bill_of(FellBack(SONNET), HALF, ModelError("model_dropped", usage=Usage()))
    assert (broken.model, broken.outcome) == (SONNET, "failed")
