"""What a tool is: a name, a description for a model, arguments, and a function that acts as the learner.

A tool that reads runs by itself, and beside others. One that writes is given a session, so that the change and the row
that says so (assistant/mentor/actions) are of one transaction.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.knowledge.retrieval import Passage
from assistant.mentor.context import MentorContext, Scene

Status = Literal["done", "not_done", "failed"]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What came of a call."""

    content: str
    """For the model: JSON with a `status`, or passages between their tags."""
    data: dict[str, Any]
    """For a screen and for the record; the `status` says whether anything was done."""
    is_error: bool = False
    passages: list[Passage] = field(default_factory=list)
    """New ones that the model was shown, in the order of their numbers."""


def outcome(status: Status, **facts: Any) -> ToolOutcome:
    """The same facts for model and screen."""
    data = {"status": status, **facts}
    return ToolOutcome(msgspec.json.encode(data).decode(), msgspec.to_builtins(data), is_error=status == "failed")


Numbered = Callable[[int], ToolOutcome]
"""An outcome that shows passages, once the number of the first of them is known."""


def numbered(result: ToolOutcome | Numbered, first: int) -> ToolOutcome:
    """The outcome, its passages numbered from `first`."""
    return result if isinstance(result, ToolOutcome) else result(first)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a write has changed: one row."""

    kind: Literal["created", "changed"]
    table: str
    row_id: UUID
    title: str
    """What the row is called, or what it belongs to."""
    fields: dict[str, dict[str, Any]]
    """`{name: {"before": …, "after": …}}` of each field that is another now; of a new row all that undo needs."""
    facts: dict[str, Any]
    """For the model."""

    def outcome(self) -> ToolOutcome:
        return outcome("done", **self.facts)


class ToolRefusal(Exception):  # noqa: N818  # an answer to the model, which can do better; nothing is broken
    """Why a call cannot be carried out, as a sentence that a model can act on."""


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all tools' arguments. Who acts and where is never among them."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool, as a model is told of it."""

    name: str
    description: str
    arguments: type[Arguments]

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, without references. Shared: not to be changed."""
        return _schema(self.arguments)


@dataclass(frozen=True, slots=True)
class ReadTool(ToolSpec):
    """`run` gets its arguments validated."""

    run: Callable[[MentorContext, Any], Awaitable[ToolOutcome | Numbered]]


@dataclass(frozen=True, slots=True)
class WriteTool(ToolSpec):
    """It changes something, so the space's policy decides whether that is done at once.

    `apply` makes the change within the session, or raises and has changed nothing that stays.
    """

    apply: Callable[[AsyncSession, Scene, Any], Awaitable[Effect]]
    target: str | None = None
    """The argument that says which row is changed; None: a new one is made."""
    editors_only: bool = False
    """Not offered to those who may not change what the space holds."""


@cache
def _schema(arguments: type[Arguments]) -> dict[str, Any]:
    _, definitions = msgspec.json.schema_components([arguments], ref_template="{name}")
    return {key: value for key, value in definitions[arguments.__name__].items() if key != "title"}


MAX_COMPLAINT: Final = 300
"""Characters of what is wrong with a call's arguments: it may repeat a value, of any length."""

_SURROGATES_AND_NUL: Final = str.maketrans(dict.fromkeys([0, *range(0xD800, 0xE000)], ""))


def read_arguments(spec: ToolSpec, given: object) -> Arguments:
    """The call's arguments. Raises ToolRefusal with what is wrong and what there is.

    A null counts as left out, and a figure in quotes as a figure: models write both.
    """
    if not isinstance(given, Mapping):
        raise ToolRefusal(_complaint(spec, "The arguments must be a JSON object."))
    present = {name: value for name, value in given.items() if value is not None}
    for name, value in present.items():
        if isinstance(value, str) and value.translate(_SURROGATES_AND_NUL) != value:
            raise ToolRefusal(_complaint(spec, f"`{name}` holds characters that cannot be stored."))
    try:
        return msgspec.convert(present, spec.arguments, strict=False)
    except msgspec.ValidationError as error:
        raise ToolRefusal(_complaint(spec, f"{error}.".replace(" - at `$.", " at `"))) from error


def _complaint(spec: ToolSpec, what: str) -> str:
    required = spec.input_schema["required"]
    names = ", ".join(
        name + (" (required)" if name in required else f" ({', '.join(each['enum'])})" if "enum" in each else "")
        for name, each in spec.input_schema["properties"].items()
    )
    return f"{what[:MAX_COMPLAINT]} The arguments of {spec.name} are: {names}. Correct them and call it again."
