"""What several tools take or tell: ids, days, titles, and how a change is told."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.base import Identified
from assistant.errors import NotFoundError
from assistant.mentor.context import Scene
from assistant.mentor.delimiting import clean_line
from assistant.mentor.policies import LISTED
from assistant.mentor.state import TITLE_CHARACTERS
from assistant.mentor.toolspec import Effect, ToolRefusal
from assistant.spaces.models import Module
from assistant.spaces.service import get_module, list_modules


def _id_of(what: str) -> Meta:
    return Meta(
        max_length=40,
        description=f"The {what}'s id, as the state or a tool result shows it.",
        extra_json_schema={"format": "uuid"},
    )


ModuleId = Annotated[str, _id_of("module")]
TaskId = Annotated[str, _id_of("task")]
GoalId = Annotated[str, _id_of("goal")]
DocumentId = Annotated[str, _id_of("document")]
Day = Annotated[
    str,
    Meta(max_length=40, extra_json_schema={"examples": ["2026-12-01", "2026-12-01T17:00:00Z"]}),
]
NewTitle = Annotated[str, Meta(min_length=1, max_length=300)]
Description = Annotated[str, Meta(max_length=20_000, description="More about it, if needed.")]


def read_id(text: str, name: str, where: str) -> UUID:
    """Raises ToolRefusal that says `where` the ids are to be had."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ToolRefusal(f"`{name}` is no id. Take it from {where}.") from error


def read_title(text: str) -> str:
    """On one line. Raises ToolRefusal where nothing is left."""
    title = " ".join(text.split())
    if not title:
        raise ToolRefusal("`title` is empty. Say it in a few words.")
    return title


def short(scene: Scene, title: str) -> str:
    """A title as a model sees it."""
    return clean_line(title, scene.marker, TITLE_CHARACTERS)


def end_of(text: str, name: str) -> datetime:
    """A moment as it is; of a day the last second, so that a task is not late on the day when it is due."""
    try:
        if len(text.strip()) == len("2026-12-01"):
            return datetime.combine(date.fromisoformat(text.strip()), time(23, 59, 59), UTC)
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ToolRefusal(f"`{name}` is no ISO 8601 date, such as 2026-12-01.") from error


def read_values(arguments: Struct, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are given a value, titles and days as they are stored. Raises ToolRefusal."""
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not UNSET}
    if "title" in given:
        given["title"] = read_title(given["title"])
    if "due_date" in given:
        given["due_date"] = end_of(given["due_date"], "due_date")
    return given


def read_changes(arguments: Struct, names: tuple[str, ...], clear: list[Any] | UnsetType) -> dict[str, Any]:
    """The same, and those that are to be empty. Raises ToolRefusal where there are none."""
    given = read_values(arguments, names)
    cleared = [] if clear is UNSET else clear
    if both := sorted(given.keys() & set(cleared)):
        raise ToolRefusal(f"`{both[0]}` is given a value and cleared as well. Do one of them.")
    if not given and not cleared:
        raise ToolRefusal(f"Nothing is to be changed. Give at least one of: {', '.join(names)}.")
    return given | dict.fromkeys(cleared)


def values_of(row: Identified, names: Iterable[str]) -> dict[str, Any]:
    """As they stand in JSON."""
    given = msgspec.to_builtins({name: getattr(row, name) for name in names})
    assert isinstance(given, dict)
    return given


def created(table: str, row: Identified, names: Iterable[str], title: str, facts: dict[str, Any]) -> Effect:
    """A new row; `names` are the columns by which it is known to be untouched."""
    fields = {name: {"before": None, "after": value} for name, value in values_of(row, names).items()}
    return Effect("created", table, row.id, title, fields, facts)


def changed(table: str, row: Identified, before: Mapping[str, Any], title: str, facts: dict[str, Any]) -> Effect:
    """A row that is as it was but for what `before` tells; the model is told each field that is another than it was."""
    after = values_of(row, before)
    fields = {name: {"before": before[name], "after": after[name]} for name in before if before[name] != after[name]}
    return Effect("changed", table, row.id, title, fields, {**facts, "changed": fields})


async def find_module(session: AsyncSession, scene: Scene, reference: str) -> Module:
    """The module of this space. Raises ToolRefusal that lists what there is."""
    with suppress(ValueError, NotFoundError):
        module = await get_module(session, UUID(reference))
        if module.space_id == scene.space_id:
            return module
    modules = await list_modules(session, scene.space_id, limit=LISTED)
    listed = "; ".join(f"{module.id} ({short(scene, module.title)})" for module in modules)
    exist = f"Its modules are: {listed}." if modules else "It has none."
    raise ToolRefusal(f"`module_id` names no module of this space. {exist}")
