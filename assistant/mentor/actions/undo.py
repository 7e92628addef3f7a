"""Setting back what an action has changed, where nobody has touched it since."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.base import Identified
from assistant.db.rows import delete_row, update_row
from assistant.errors import ConflictError
from assistant.goals.models import Goal
from assistant.sharing.models import Comment
from assistant.spaces.models import ModuleProgress, Space, Task

_TABLES: Final[Mapping[str, tuple[type[Identified], str]]] = {
    "goals": (Goal, "goal"),
    "tasks": (Task, "task"),
    "module_progress": (ModuleProgress, "progress"),
}


async def undo_effect(session: AsyncSession, effect: Mapping[str, Any]) -> None:
    """Remove a row that was made, or give a changed one its values back. Raises ConflictError (`undo_conflict`)."""
    model, noun = _TABLES[effect["table"]]
    row_id, fields = UUID(effect["row_id"]), effect["fields"]
    row = await session.scalar(select(model).where(model.id == row_id).with_for_update())
    if row is None:
        raise _conflict(f"The {noun} was deleted, or is not yours to change, since then.")
    for name, change in fields.items():
        if msgspec.to_builtins(getattr(row, name)) != change["after"]:
            raise _conflict(f"The {noun}'s {name} was changed since then.")
    if effect["kind"] == "created":
        await _check_unused(session, model, row_id)
        await delete_row(session, model, row_id, noun)
        return
    before = {name: _restored(model, name, change["before"]) for name, change in fields.items()}
    await update_row(session, model, row_id, before, noun)


async def _check_unused(session: AsyncSession, model: type[Identified], row_id: UUID) -> None:
    """What hangs on a row would go with it."""
    if model is Goal and await session.scalar(select(Space.id).where(Space.goal_id == row_id).limit(1)):
        raise _conflict("The goal has a space by now, which would go with it.")
    if model is Task and await session.scalar(
        select(Comment.id).where(Comment.resource_type == "task", Comment.resource_id == row_id).limit(1)
    ):
        raise _conflict("The task was commented on since then.")


def _restored(model: type[Identified], name: str, value: Any) -> Any:
    """From JSON to what the column holds."""
    kind = inspect(model).columns[name].type.python_type
    if value is None or kind not in (UUID, datetime):
        return value
    return UUID(value) if kind is UUID else datetime.fromisoformat(value)


def _conflict(why: str) -> ConflictError:
    return ConflictError(f"This cannot be undone: {why}", code="undo_conflict")
