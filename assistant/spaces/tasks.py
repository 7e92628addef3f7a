"""The rules for tasks. Each function runs as the person whose session it is given."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.rows import delete_row, get_row, insert_row, update_row
from assistant.errors import InvalidError, NotFoundError
from assistant.spaces import repository
from assistant.spaces.models import Task
from assistant.spaces.service import get_space

NOUN = "task"


async def create_task(
    session: AsyncSession,
    space_id: UUID,
    *,
    title: str,
    description: str | None = None,
    module_id: UUID | None = None,
    status: str = "pending",
    due_date: datetime | None = None,
    priority: str = "medium",
) -> Task:
    """Raises NotFoundError (space, module), ForbiddenError, InvalidError (a module of another space)."""
    await get_space(session, space_id)
    await _check_module(session, module_id, space_id)
    values = {
        "space_id": space_id,
        "module_id": module_id,
        "title": title,
        "description": description,
        "status": status,
        "due_date": due_date,
        "priority": priority,
    }
    return await insert_row(session, Task, values)


async def get_task(session: AsyncSession, task_id: UUID) -> Task:
    """Raises NotFoundError."""
    return await get_row(session, Task, task_id, NOUN)


async def update_task(session: AsyncSession, task_id: UUID, changes: dict[str, Any]) -> Task:
    """Raises NotFoundError (task, module), ForbiddenError, InvalidError (a module of another space)."""
    if changes.get("module_id") is not None:
        await _check_module(session, changes["module_id"], (await get_task(session, task_id)).space_id)
    return await update_row(session, Task, task_id, changes, NOUN)


async def delete_task(session: AsyncSession, task_id: UUID) -> None:
    """Raises NotFoundError, ForbiddenError."""
    await delete_row(session, Task, task_id, NOUN)


async def _check_module(session: AsyncSession, module_id: UUID | None, space_id: UUID) -> None:
    """A sentence for what the foreign key would only refuse."""
    if module_id is None:
        return
    found = await repository.space_of_module(session, module_id)
    if found is None:
        detail = "There is no such module."
        raise NotFoundError(detail, extra={"errors": [{"path": "module_id", "message": detail}]})
    if found != space_id:
        raise InvalidError("The module belongs to another space.", path="module_id")
