"""The AG-UI 1.0 events of a run, in the order in which they come.

    RUN_STARTED
      TOOL_CALL_START · TOOL_CALL_ARGS … · TOOL_CALL_END · TOOL_CALL_RESULT        any number, also inside the text
      TEXT_MESSAGE_START · TEXT_MESSAGE_CONTENT … · CUSTOM citations · TEXT_MESSAGE_END
      CUSTOM                                                                       notices, any number
    RUN_FINISHED (success, interrupt or cancelled)  |  RUN_ERROR

Field names are the protocol's. `metadata`, the event's run and number, is added when it is stored (log.py).
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from assistant.errors import AssistantError
from assistant.llm.events import Usage
from assistant.mentor.actions.models import Action
from assistant.mentor.actions.wording import tell
from assistant.mentor.citations import Citation
from assistant.mentor.toolbox import WRITE_TOOLS

Event = dict[str, Any]
"""One event without its number."""

_encode = msgspec.json.Encoder().encode


def encode_event(event: Event, run_id: str, seq: int) -> bytes:
    """The event as it is stored and sent; `run_id` is the name that clients know the run by."""
    return _encode(event | {"metadata": {"runId": run_id, "seq": seq}})


def run_started(thread_id: str, run_id: str) -> Event:
    return _event("RUN_STARTED", threadId=thread_id, runId=run_id)


def text_started(message_id: str) -> Event:
    return _event("TEXT_MESSAGE_START", messageId=message_id, role="assistant")


def text_content(message_id: str, delta: str) -> Event:
    return _event("TEXT_MESSAGE_CONTENT", messageId=message_id, delta=delta)


def text_ended(message_id: str) -> Event:
    return _event("TEXT_MESSAGE_END", messageId=message_id)


def tool_started(call_id: str, name: str, message_id: str) -> Event:
    return _event("TOOL_CALL_START", toolCallId=call_id, toolCallName=name, parentMessageId=message_id)


def tool_arguments(call_id: str, delta: str) -> Event:
    return _event("TOOL_CALL_ARGS", toolCallId=call_id, delta=delta)


def tool_ended(call_id: str) -> Event:
    return _event("TOOL_CALL_END", toolCallId=call_id)


def tool_result(call_id: str, message_id: str, content: str) -> Event:
    return _event("TOOL_CALL_RESULT", toolCallId=call_id, messageId=message_id, content=content, role="tool")


def custom(name: str, value: object) -> Event:
    return _event("CUSTOM", name=name, value=value)


def citations(cited: Sequence[Citation]) -> Event:
    return custom("citations", list(cited))


SUCCESS: Final[Event] = {"type": "success"}
CANCELLED: Final[Event] = {"type": "cancelled"}


def interrupt(waiting: Sequence[Action]) -> Event:
    """The outcome of a run that waits for the learner's word: what to ask them, and how they may answer."""
    return {"type": "interrupt", "interrupts": [_question(action) for action in waiting]}


def _question(action: Action) -> Event:
    arguments = WRITE_TOOLS[action.tool].input_schema
    return {
        "id": str(action.id),
        "reason": "tool_approval",
        "toolCallId": action.call_id,
        "message": tell(action.status, action.effect, action.result),
        "responseSchema": {
            "type": "object",
            "properties": {"approved": {"type": "boolean"}, "arguments": arguments},
            "required": ["approved"],
        },
        "expiresAt": action.expires_at.isoformat(),
        "metadata": {"tool": action.tool, "arguments": action.arguments, "effect": action.effect},
    }


def run_finished(thread_id: str, run_id: str, outcome: Event, usage: dict[str, Usage], provider: str) -> Event:
    return _event(
        "RUN_FINISHED",
        threadId=thread_id,
        runId=run_id,
        outcome=outcome,
        usage=token_usage(usage, provider),
    )


def run_error(error: AssistantError, usage: dict[str, Usage], provider: str) -> Event:
    return _event("RUN_ERROR", message=error.detail, code=error.code, usage=token_usage(usage, provider))


def token_usage(usage: dict[str, Usage], provider: str) -> list[dict[str, Any]]:
    """The protocol's accounting, an entry per model: totals, with the cached parts inside of them.

    A count that nobody knows is left out, which is not the same as nothing.
    """
    return [_usage_entry(provider, model, counts) for model, counts in usage.items()]


def _usage_entry(provider: str, model: str, counts: Usage) -> dict[str, Any]:
    parts = (counts.input_tokens, counts.cache_read_tokens, counts.cache_write_tokens)
    known = [part for part in parts if part is not None]
    total_in = sum(known) if counts.input_tokens is not None else None
    both = None if total_in is None or counts.output_tokens is None else total_in + counts.output_tokens
    entry = {
        "provider": provider,
        "model": model,
        "inputTokens": total_in,
        "outputTokens": counts.output_tokens,
        "totalTokens": both,
        "cachedInputTokens": counts.cache_read_tokens,
        "cacheWriteInputTokens": counts.cache_write_tokens,
    }
    return {key: value for key, value in entry.items() if value is not None}


def _event(kind: str, **fields: Any) -> Event:
    return {"type": kind, "timestamp": int(time.time() * 1000), **fields}
