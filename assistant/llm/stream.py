"""The Messages API's event stream: bytes in, model events out. No input or output of its own.

    message_start · (content_block_start · content_block_delta … · content_block_stop) … · message_delta · message_stop

with `ping` anywhere and `error` instead of the rest. Only `message_stop` makes an answer whole. Unknown events are
skipped; unknown blocks are kept as they came, since they belong to the content that is sent back.

The SDK builds a checked object per event, which costs more than the rest of a call (docs/decisions/0004); here one
flat struct takes what we read of any event.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from assistant.llm.events import (
    NO_USAGE,
    Block,
    Completed,
    ModelError,
    ModelErrorCode,
    ModelEvent,
    TextDelta,
    ToolInputDelta,
    ToolUseStarted,
    Usage,
)

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""A line that is longer is no event of this protocol, whose requests end at 32 MB."""

CUT_REASONS: Final = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons under which the last tool call may lack its end."""

_ERROR_CODES: Final[dict[str, ModelErrorCode]] = {
    "authentication_error": "model_auth",
    "billing_error": "model_auth",
    "permission_error": "model_auth",
    "not_found_error": "model_not_found",
    "invalid_request_error": "model_bad_request",
    "request_too_large": "model_bad_request",
    "rate_limit_error": "model_rate_limited",
    "overloaded_error": "model_overloaded",
}
"""Error events after a 200; what is not here counts as a fault of the provider."""


class _WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _WireMessage(msgspec.Struct):
    model: str = ""
    usage: _WireUsage | None = None


class _WireDelta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None
    stop_reason: str | None = None


class _WireError(msgspec.Struct):
    type: str = ""


class _WireEvent(msgspec.Struct):
    type: str = ""
    index: int = -1
    message: _WireMessage | None = None
    content_block: dict[str, Any] | None = None
    delta: _WireDelta | None = None
    usage: _WireUsage | None = None
    error: _WireError | None = None


class _WireType(msgspec.Struct):
    type: str = ""


_decode_event = msgspec.json.Decoder(_WireEvent).decode
_decode_type = msgspec.json.Decoder(_WireType).decode
_decode_input = msgspec.json.Decoder(dict[str, Any]).decode

_KNOWN_EVENTS: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)


_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def _without_nul(json: bytes) -> bytes:
    """The same JSON, with the replacement character for NUL, which PostgreSQL cannot store."""
    return _NUL.sub(rb"\1\\ufffd", json) if b"\\u0000" in json else json


class EventStreamDecoder:
    """Server-sent events from bytes that may be split anywhere.

    Yields the data of each event; names are left out, since this protocol repeats them in the data.
    An event without its closing empty line is never yielded. Raises ValueError for a line beyond all bounds.
    Source: HTML standard, "Interpreting an event stream".
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        lines = (self._rest + chunk).splitlines(keepends=True)
        # A last line without its end waits for more; so does a carriage return, whose line feed may follow.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError("a line of the event stream has no end")
        for line in lines:
            content = line.rstrip(b"\r\n")
            if not content:
                if self._data:
                    yield b"\n".join(self._data)
                    self._data.clear()
            elif content.startswith(b"data:"):
                self._data.append(content[5:].removeprefix(b" "))


@dataclass(slots=True)
class _OpenBlock:
    """A content block while its deltas arrive. `whole` is false for a tool call whose input does not parse."""

    block: Block
    pieces: dict[str, list[str]] = field(default_factory=dict)
    whole: bool = True

    def append(self, key: str, piece: str) -> None:
        self.pieces.setdefault(key, []).append(piece)

    def close(self) -> None:
        """Put the pieces in; closing twice changes nothing."""
        for key, pieces in self.pieces.items():
            if key != "partial_json":
                self.block[key] = str(self.block.get(key) or "") + "".join(pieces)
            elif text := "".join(pieces):
                self._set_input(text)
        self.pieces.clear()

    def _set_input(self, text: str) -> None:
        try:
            self.block["input"] = _decode_input(_without_nul(text.encode()))
        except (ValueError, RecursionError):
            self.whole = False


class AnswerParser:
    """One answer, from its first byte to `message_stop`.

    `feed` returns the events of the bytes given, never raises: what went wrong is in `failure`, so that the events
    before the fault in the same bytes are not lost. After `done` or `failure` further bytes change nothing.
    """

    def __init__(self, requested_model: str, spent: Usage = NO_USAGE) -> None:
        """`spent` is what earlier tries of the same call used; all counts given out include it."""
        self.model = requested_model
        self.begun = False
        """Content has begun: from here on a second try would cost twice or be seen."""
        self.done = False
        self.failure: ModelError | None = None
        self.fault: str | None = None
        """For the log: the name of the exception, or the provider's name for its error."""
        self._decoder = EventStreamDecoder()
        self._blocks: dict[int, _OpenBlock] = {}
        self._stop_reason: str | None = None
        self._spent = spent
        self._counts = Usage()

    @property
    def usage(self) -> Usage:
        counts = self._counts
        if counts.input_tokens is not None:
            # A server that does not speak of a cache has counted everything as input.
            read, written = counts.cache_read_tokens or 0, counts.cache_write_tokens or 0
            counts = replace(counts, cache_read_tokens=read, cache_write_tokens=written)
            if not self.begun:
                counts = replace(counts, output_tokens=counts.output_tokens or 0)  # no content, no output
        return self._spent + counts

    def feed(self, chunk: bytes) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        try:
            for data in self._decoder.feed(chunk):
                if self.done or self.failure:
                    break
                event = self._decode(data)
                if event is not None:
                    events += self._apply(event)
        except (ValueError, RecursionError) as exc:
            self._fail("model_malformed", type(exc).__name__)  # the exception's text may quote the content
        return events

    def _fail(self, code: ModelErrorCode, fault: str | None = None) -> None:
        self.failure, self.fault = ModelError(code, usage=self.usage), fault

    def _decode(self, data: bytes) -> _WireEvent | None:
        data = _without_nul(data)
        try:
            event = _decode_event(data)
        except msgspec.ValidationError:
            if _decode_type(data).type in _KNOWN_EVENTS:
                raise
            return None
        return event if event.type in _KNOWN_EVENTS else None

    def _apply(self, event: _WireEvent) -> Iterator[ModelEvent]:
        match event:
            case _WireEvent(type="content_block_delta", delta=_WireDelta() as delta):
                yield from self._grow(self._block(event.index), delta)
            case _WireEvent(type="content_block_start", content_block=dict(block)):
                yield from self._open(event.index, block)
            case _WireEvent(type="content_block_stop"):
                self._block(event.index).close()
            case _WireEvent(type="message_start", message=_WireMessage() as message):
                self.model = message.model or self.model
                self._count(message.usage, answered=False)
            case _WireEvent(type="message_delta", delta=_WireDelta() as delta):
                self._stop_reason = delta.stop_reason or self._stop_reason
                self._count(event.usage, answered=True)
            case _WireEvent(type="message_stop"):
                yield from self._complete()
            case _WireEvent(type="error"):
                kind = event.error.type if event.error else ""
                self._fail(_ERROR_CODES.get(kind, "model_unavailable"), kind)
            case _:
                raise ValueError("an event lacks its content")

    def _block(self, index: int) -> _OpenBlock:
        if index not in self._blocks:
            raise ValueError("a delta without its block")
        return self._blocks[index]

    def _open(self, index: int, block: Block) -> Iterator[ModelEvent]:
        if index in self._blocks:
            raise ValueError("a block that begins twice")
        self.begun = True
        self._blocks[index] = _OpenBlock(block)
        match block:
            case {"type": "tool_use", "id": str(tool_id), "name": str(name)}:
                yield ToolUseStarted(tool_id, name)
            case {"type": "tool_use"}:
                raise ValueError("a tool call without id or name")
            case {"type": "text", "text": str(text)} if text:
                yield TextDelta(text)

    def _grow(self, opened: _OpenBlock, delta: _WireDelta) -> Iterator[ModelEvent]:
        match delta.type:
            case "text_delta":
                opened.append("text", delta.text)
                if delta.text:
                    yield TextDelta(delta.text)
            case "input_json_delta":
                opened.append("partial_json", delta.partial_json)
                if delta.partial_json and opened.block.get("type") == "tool_use":
                    yield ToolInputDelta(opened.block["id"], delta.partial_json)
            case "thinking_delta":
                opened.append("thinking", delta.thinking)
            case "signature_delta":
                opened.append("signature", delta.signature)
            case "citations_delta":
                opened.block["citations"] = [*(opened.block.get("citations") or []), delta.citation]

    def _count(self, counts: _WireUsage | None, *, answered: bool) -> None:
        """Later counts replace earlier ones: they are cumulative.

        The output that `message_start` reports is a placeholder; taken for the count, a broken answer would be free.
        """
        if counts is None:
            return
        known, output = self._counts, counts.output_tokens if answered else None
        self._counts = Usage(
            _newer(counts.input_tokens, known.input_tokens),
            _newer(output, known.output_tokens),
            _newer(counts.cache_read_input_tokens, known.cache_read_tokens),
            _newer(counts.cache_creation_input_tokens, known.cache_write_tokens),
        )

    def _complete(self) -> Iterator[ModelEvent]:
        if self._stop_reason == "refusal":
            self._fail("model_refused")
            return
        if self._stop_reason is None:
            raise ValueError("an answer without a stop reason")
        blocks = self._whole_blocks(self._stop_reason)
        self.done = True
        yield Completed(blocks, self._stop_reason, self.usage, self.model)

    def _whole_blocks(self, stop_reason: str) -> list[Block]:
        """The content, without a tool call that the length limit cut: it can be neither run nor sent back."""
        opened = [self._blocks[index] for index in sorted(self._blocks)]
        for each in opened:
            each.close()
        if stop_reason not in CUT_REASONS and not all(each.whole for each in opened):
            raise ValueError("a tool call whose input is no JSON object")
        return [each.block for each in opened if each.whole]


def _newer(new: int | None, old: int | None) -> int | None:
    return old if new is None else new
