"""What comes out of the mentor while it answers, beside the model's own deltas (assistant/llm/events.py).

    (TextDelta | ToolUseStarted · ToolInputDelta … · ToolUseEnded · ToolResult | Notice) …

The generator's end is the end of the answer; what it raises is how it failed. What is known at any moment, also after
a failure or a stop, stands in the TurnRecord that the caller gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from assistant.db.identity import Principal
from assistant.llm.events import Block, TextDelta, ToolInputDelta, ToolUseStarted, Usage
from assistant.mentor.actions.models import Action
from assistant.mentor.citations import Citation
from assistant.usage.entries import Entry, ModelCall, is_estimated, usage_by_model

Message = dict[str, Any]
"""`{"role": …, "content": [blocks]}`, as the Messages API takes it."""


@dataclass(frozen=True, slots=True)
class ToolUseEnded:
    """The arguments of a tool call are whole."""

    id: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool did. `content` is what the model reads, `data` what a screen shows."""

    id: str
    name: str
    content: str
    data: dict[str, Any]
    is_error: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told beside the text: `name` is stable, `value` JSON."""

    name: str
    value: dict[str, Any]


MentorEvent = TextDelta | ToolUseStarted | ToolInputDelta | ToolUseEnded | ToolResult | Notice


class Conversation(Protocol):
    """The stored history, as far as the mentor needs it."""

    async def history(self) -> list[Message]:
        """Earlier turns of the thread, oldest first, in the provider's blocks."""
        ...

    def append(self, role: Literal["user", "assistant"], blocks: list[Block]) -> None:
        """Add the next step of this turn; it is stored soon."""
        ...

    async def stored(self) -> None:
        """Wait until all steps so far are stored: before anything is done that depends on them."""
        ...


class Budget(Protocol):
    """What a turn may still spend. Asked before each call of a model: what is refused is not called."""

    async def allows(self, model: str) -> bool:
        """Whether the learner's plan has this model, given by its provider's id."""
        ...

    async def reserve(self, spent: Sequence[Entry], call: ModelCall, output_tokens: int) -> None:
        """Set aside what `call`, whose input is an estimate, takes with an answer of at most `output_tokens`.

        `spent` is what the turn has used before. Raises QuotaExceededError, InstallationStoppedError.
        """
        ...


class Unlimited:
    """The budget of a turn that nobody pays for."""

    async def allows(self, model: str) -> bool:
        return True

    async def reserve(self, spent: Sequence[Entry], call: ModelCall, output_tokens: int) -> None:
        """Nothing is set aside."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """Answers to what an earlier run proposed. They are stored; what was approved is still to be done."""

    run_id: UUID
    """The run that proposed."""
    answered: frozenset[UUID]
    """The actions that were answered this time."""
    goes_on: bool
    """All of that run's proposals are answered, so the model hears of it and goes on."""
    shown: Sequence[UUID] = ()
    """Chunks that it was shown in that run, by their numbers."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of one person in one space. Who they are comes from the run, never from a model."""

    principal: Principal
    space_id: UUID
    question: str
    """Empty where the turn is a resumption."""
    conversation: Conversation
    run_id: UUID | None = None
    """None: it is no run of a stored conversation, and nothing can be proposed."""
    resumption: Resumption | None = None
    budget: Budget = field(default_factory=Unlimited)


@dataclass(slots=True)
class TurnRecord:
    """What a turn has come to so far."""

    text: str = ""
    text_in_steps: int = 0
    """Characters of `text` that are stored as the model's own steps, too."""
    citations: list[Citation] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    """Each call of a model and of a tool, as it will be logged."""
    model: str | None = None
    provider: str = ""
    stop_reason: str | None = None
    prompt: dict[str, str] = field(default_factory=dict)
    """Name, version and content hash of the prompt."""
    rounds: int = 0
    executed: list[str] = field(default_factory=list)
    """Tools whose change was made in this turn, at once or after an approval."""
    shown: list[UUID] = field(default_factory=list)
    """Chunks that the model was shown, by their numbers."""
    waiting: list[Action] = field(default_factory=list)
    """What the turn stopped for: proposals that the learner has not answered."""

    @property
    def usage(self) -> dict[str, Usage]:
        """Tokens by model, all rounds added up."""
        return usage_by_model(self.entries)

    @property
    def estimated(self) -> bool:
        """Some call ended before its model said what it had used, so part of `usage` is an estimate."""
        return is_estimated(self.entries)

    def notice(self, name: str, value: dict[str, Any]) -> Notice:
        """Something to be told beside the text; kept with the answer."""
        notice = Notice(name, value)
        self.notices.append(notice)
        return notice
