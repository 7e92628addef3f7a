"""Calls of the model beside the conversation: a summary, a title, a question in other words. No tools, one answer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from assistant.llm.events import Completed, FellBack, Model, ModelError, ModelRequest, TextDelta, Usage
from assistant.llm.prompts import Prompt
from assistant.llm.tokens import text_tokens
from assistant.mentor.delimiting import clean, new_marker
from assistant.mentor.events import Turn, TurnRecord
from assistant.usage.entries import Action, ModelCall
from assistant.usage.reservations import Pay


@dataclass(frozen=True, slots=True)
class Aside:
    """What the model said, and what that cost."""

    text: str
    model: str
    usage: Usage


async def ask_aside(
    model: Model, name: str, prompt: Prompt, values: Mapping[str, str], *, max_tokens: int, action: Action, pay: Pay
) -> Aside:
    """One answer to the prompt's part `request`, under its part `system`; `values` are text of others.

    Raises ModelError, also where the answer is empty, and QuotaExceededError before the model is called.
    """
    marker = new_marker()
    told = prompt.render(
        "request", {key: clean(value, marker).strip() for key, value in values.items()} | {"marker": marker}
    )
    system = prompt.render("system")
    request = ModelRequest(
        model=name,
        system=[{"type": "text", "text": system}],
        messages=[{"role": "user", "content": [{"type": "text", "text": told}]}],
        tools=[],
        max_tokens=max_tokens,
    )
    tokens = Usage(text_tokens(system + told), None, 0, 0)
    call = ModelCall(action, model.name, name, tokens, estimated=True, fallback=model.fallback)
    text, done = "", None
    async with pay(call, max_tokens) as bill:
        try:
            async with aclosing(model.stream(request)) as events:
                async for event in events:
                    match event:
                        case FellBack():
                            call = replace(call, model=event.model)
                        case TextDelta(piece):
                            text += piece
                        case Completed():
                            done = event
        except ModelError as error:
            bill.append(call.ended(error.usage, text_tokens(text), "failed"))
            raise
        assert done is not None, "a stream ends with what it has completed, or raises"
        call = replace(call, model=done.model).ended(done.usage, text_tokens(text), "ok")
        bill.append(call)
    if not text.strip():
        raise ModelError("model_malformed", usage=call.usage)
    return Aside(text.strip(), call.model, call.usage)


def paid_by(turn: Turn, record: TurnRecord) -> Pay:
    """The turn's budget pays, and its record has what it came to."""

    @asynccontextmanager
    async def pay(planned: ModelCall, output_tokens: int) -> AsyncIterator[list[ModelCall]]:
        await turn.budget.reserve(record.entries, planned, output_tokens)
        bill: list[ModelCall] = []
        try:
            yield bill
        finally:
            record.entries += [call.entry() for call in bill or [planned.cut("stopped")]]

    return pay


def check_aside(prompt: Prompt, *variables: str) -> None:
    """Raises ConfigurationError where a prompt's folder lacks a part, or declares other variables."""
    prompt.render("system")
    prompt.render("request", dict.fromkeys((*variables, "marker"), ""))
