"""What the mentor's loop and a model say to each other, and how a model fails.

A call is one `ModelRequest`; its answer is a stream of events:

    TextDelta | ToolUseStarted | ToolInputDelta      as they come, in the order of the blocks
    Completed                                        exactly once, last, only for an answer that is whole

A stream that cannot get to `Completed` raises `ModelError`. What was yielded before stays valid: it is a
prefix of what the model wanted to say.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, Self

from assistant.errors import AssistantError

OFFLINE: Final = "offline"
"""The name of what answers where there is no model: it costs nothing, and does nothing but answer learners."""

Block = dict[str, Any]
"""A content block in the provider's own shape, as `{"type": "text", "text": …}`."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Everything a model is told. Blocks, messages and tools are passed on verbatim, `cache_control` included."""

    model: str
    """An alias or a provider's id."""
    system: list[Block]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    max_tokens: int
    """Upper bound of the answer, in tokens, thinking included."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call. None is unknown, which is not nothing: whoever settles a quota must estimate it."""

    input_tokens: int | None = None
    """Read anew: neither from the prompt cache nor written to it."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None

    def __add__(self, other: Self) -> "Usage":
        """The sum, field by field; a field that is unknown on either side stays unknown."""
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cache_read_tokens, other.cache_read_tokens),
            _sum(self.cache_write_tokens, other.cache_write_tokens),
        )


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


NO_USAGE = Usage(0, 0, 0, 0)
"""Known to be nothing: where sums start, and what a call costs that was refused."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolUseStarted:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolInputDelta:
    """A piece of a tool's arguments, for display; the parsed arguments stand in `Completed.blocks`."""

    id: str
    partial_json: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """Before all else: the model that was asked cannot answer, and this one does in its place."""

    model: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of an answer. `blocks` can be stored and sent back as they are."""

    blocks: list[Block]
    stop_reason: str
    """The provider's word: `end_turn`, `tool_use`, `max_tokens` (the answer is cut, which is no error) …"""
    usage: Usage
    model: str
    """The id that the provider says has answered."""


ModelEvent = FellBack | TextDelta | ToolUseStarted | ToolInputDelta | Completed


class Model(Protocol):
    """Something that answers: a provider, or its offline twin."""

    @property
    def name(self) -> str:
        """Who answers, as stored with each message."""
        ...

    @property
    def fallback(self) -> str | None:
        """The provider's id of the model that answers where the one that is asked cannot."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer once. Raises ModelError. Closing the generator, or cancelling its reader, ends the call at once."""
        ...


ModelErrorCode = Literal[
    "model_auth",
    "model_not_found",
    "model_bad_request",
    "model_rate_limited",
    "model_overloaded",
    "model_unavailable",
    "model_timeout",
    "model_stalled",
    "model_dropped",
    "model_malformed",
    "model_refused",
]


@dataclass(frozen=True, slots=True)
class _Kind:
    status_code: int
    retryable: bool
    detail: str


_KINDS: dict[ModelErrorCode, _Kind] = {
    "model_auth": _Kind(
        503, False, "The language model refused this service's account; its administrator has to check key and billing."
    ),
    "model_not_found": _Kind(503, False, "The language model that is set here does not exist; please choose another."),
    "model_bad_request": _Kind(502, False, "The language model could not accept this conversation as it stands."),
    "model_rate_limited": _Kind(503, False, "The language model's usage limit is reached for now."),
    "model_overloaded": _Kind(503, True, "The language model is overloaded; please try again in a moment."),
    "model_unavailable": _Kind(503, True, "The language model cannot be reached; please try again in a moment."),
    "model_timeout": _Kind(504, True, "The language model did not answer in time; please try again."),
    "model_stalled": _Kind(504, True, "The language model stopped sending in the middle of its answer."),
    "model_dropped": _Kind(502, True, "The connection to the language model broke before the answer was whole."),
    "model_malformed": _Kind(502, False, "The language model sent something that could not be understood."),
    "model_refused": _Kind(422, False, "The language model declined to answer this; please put it differently."),
}


class ModelError(AssistantError):
    """A model that failed, told to a person in our words only: a provider's text may repeat what it was sent."""

    title = "The language model failed"

    def __init__(
        self,
        code: ModelErrorCode,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        usage: Usage = NO_USAGE,
    ) -> None:
        kind = _KINDS[code]
        super().__init__(kind.detail, code=code)
        self.status_code = kind.status_code
        self.retryable = kind.retryable if retryable is None else retryable
        """The same call may well succeed later, or with another model."""
        self.retry_after = retry_after
        """Seconds after which the provider will listen again, where it said so."""
        self.usage = usage
        """What the failed call is known to have used, earlier tries included."""
