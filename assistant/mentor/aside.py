"""Calls of the model beside the conversation: a summary, a title, a question in other words. No tools, one answer."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from assistant.llm.events import NO_USAGE, Completed, Model, ModelError, ModelRequest, TextDelta, Usage
from assistant.llm.prompts import Prompt
from assistant.llm.tokens import text_tokens
from assistant.mentor.delimiting import clean, new_marker

OFFLINE: Final = "offline"
"""The name of the model that answers where there is none; it does nothing but answer learners."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What the model said, and what that cost."""

    text: str
    model: str
    usage: Usage


async def ask_aside(model: Model, name: str, prompt: Prompt, values: Mapping[str, str], *, max_tokens: int) -> Aside:
    """One answer to the prompt's part `request`, under its part `system`; `values` are text of others.

    Raises ModelError, also where the answer is empty.
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
    text, used, answered_by = "", NO_USAGE, name
    async with aclosing(model.stream(request)) as events:
        async for event in events:
            match event:
                case TextDelta(piece):
                    text += piece
                case Completed():
                    used, answered_by = event.usage, event.model
    if not text.strip():
        raise ModelError("model_malformed", usage=used)
    if used.input_tokens is None or used.output_tokens is None:  # a server that does not count
        used = Usage(text_tokens(system + told), text_tokens(text), 0, 0)
    return Aside(text.strip(), answered_by, used)


def check_aside(prompt: Prompt, *variables: str) -> None:
    """Raises ConfigurationError where a prompt's folder lacks a part, or declares other variables."""
    prompt.render("system")
    prompt.render("request", dict.fromkeys((*variables, "marker"), ""))
