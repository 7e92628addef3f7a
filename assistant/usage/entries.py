"""Rows of usage_logs to be: one for each call of a model, an embedder or a tool, and one for each turn.

`details` holds provider, model, counts, cost and how it ended; never a text of anybody's.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from assistant.llm.events import OFFLINE, Usage
from assistant.llm.pricing import cost, highest_cost

Action = Literal["chat", "condense", "embed", "summarise", "title", "tool", "turn"]

Outcome = Literal["ok", "failed", "stopped", "killed"]
"""`killed`: its process went away in the middle."""

BUNDLED: Final = "bundled"
"""The embedding model in this process."""

FREE: Final = frozenset({OFFLINE, BUNDLED})
"""Who costs nobody anything: what they read and write is logged, and takes nothing of a plan."""

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """`tokens` is what it takes of a plan; None: nobody knows, and nobody could estimate it."""

    action: Action
    tokens: int | None
    details: dict[str, Any]

    def row(self, space_id: UUID | None, run: str | None = None) -> dict[str, Any]:
        """As `private.log_usage` takes it. `run` is the name that clients know a run by."""
        named = {"run_id": run} if run is not None else {}
        return {
            "resource_type": "account" if space_id is None else "space",
            "resource_id": None if space_id is None else str(space_id),
            "action": self.action,
            "tokens_used": self.tokens,
            "details": {**self.details, **named},
        }


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call of a model, or of an embedder, as far as it is known."""

    action: Action
    provider: str
    model: str
    usage: Usage
    estimated: bool = False
    """Some count of `usage` is an estimate, since nobody said what it was."""
    outcome: Outcome = "ok"
    fallback: str | None = None
    """A model that may answer in its place."""

    @property
    def name(self) -> str:
        """As prices have it."""
        return self.model.rpartition(":")[2] if self.action == "embed" else self.model

    @property
    def is_free(self) -> bool:
        return self.provider in FREE

    @property
    def tokens(self) -> int | None:
        """What it takes of a plan."""
        if self.is_free:
            return 0
        counts = astuple(self.usage)
        return None if None in counts else sum(counts)

    def highest_cost(self, output_tokens: int) -> Decimal:
        """USD that it may come to with such an answer, whichever model gives it; nothing for an unknown price."""
        told = self.usage.input_tokens or 0
        names = (self.name, self.fallback or self.name)
        return max(highest_cost(name, told, output_tokens) or Decimal() for name in names)

    def ended(self, usage: Usage, said: int, outcome: Outcome) -> "ModelCall":
        """As it is logged. What nobody counted is estimated, never taken for nothing: from what it was told, and the
        tokens of what it `said`."""
        estimates = (self.usage.input_tokens, said, 0, 0)
        counts = (guess if count is None else count for count, guess in zip(astuple(usage), estimates, strict=True))
        estimated = None in (usage.input_tokens, usage.output_tokens)
        return replace(self, usage=Usage(*counts), estimated=estimated, outcome=outcome)

    def cut(self, outcome: Outcome) -> "ModelCall":
        """As it is logged where nobody heard the end of it: what it was told is paid for."""
        return self.ended(Usage(), 0, outcome)

    def entry(self) -> Entry:
        spent = 0 if self.is_free else cost(self.name, self.usage)
        return Entry(
            self.action,
            self.tokens,
            {
                "provider": self.provider,
                "model": self.model,
                **asdict(self.usage),
                "cost_usd": None if spent is None else float(spent),
                "estimated": self.estimated,
                "outcome": self.outcome,
            },
        )


def tool_entry(name: str, arguments: object, outcome: str, milliseconds: int | None) -> Entry:
    """For the record of what was called: whether it was called with these arguments can be told, not what they were.

    `name` and `arguments` are a model's, which may be anything; `milliseconds` is None where nobody knows.
    """
    said = json.dumps(arguments, sort_keys=True, default=str)  # in ASCII: also what is no text that could be stored
    return Entry(
        "tool",
        0,
        {
            "tool": name if _TOOL_NAME.fullmatch(name) else "?",
            "outcome": outcome,
            "ms": milliseconds,
            "arguments_sha256": hashlib.sha256(said.encode()).hexdigest(),
        },
    )


def usage_by_model(entries: Sequence[Entry]) -> dict[str, Usage]:
    """Tokens of all calls added up, those that cost nobody anything among them; see `Usage` for unknown counts."""
    used: dict[str, Usage] = {}
    for details in (entry.details for entry in entries if "model" in entry.details):
        usage = Usage(*(details[count.name] for count in fields(Usage)))
        model = details["model"]
        used[model] = used[model] + usage if model in used else usage
    return used


def is_estimated(entries: Sequence[Entry]) -> bool:
    """Whether some call ended before anybody said what it had used."""
    return any(entry.details.get("estimated") for entry in entries)


def turn_entry(status: str) -> Entry:
    """A question that counts as one of the plan's messages."""
    return Entry("turn", 0, {"status": status})


def embedding(model: str, tokens: int, outcome: Outcome = "ok") -> ModelCall:
    """Tokens are estimated: embedders do not say how many they read. `model` as its setting names it."""
    provider, _, _ = model.partition(":")
    is_bundled = ":" not in model
    return ModelCall(
        "embed", BUNDLED if is_bundled else provider, model, Usage(tokens, 0, 0, 0), estimated=True, outcome=outcome
    )
