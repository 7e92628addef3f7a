"""The rules for spaces and their modules. Each function runs as the person whose session it is given."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.errors import DuplicateError
from assistant.db.rows import delete_row, get_row, insert_row, update_row
from assistant.errors import ConflictError, ForbiddenError, NotFoundError
from assistant.spaces import repository
from assistant.spaces.mentor_config import COLUMN, validate_config
from assistant.spaces.models import Module, Space

SPACE = "space"
MODULE = "module"


async def open_space(session: AsyncSession, user_id: UUID, values: dict[str, Any]) -> Space:
    """Raises NotFoundError where the goal is not the person's, ConflictError where it has a space of that title."""
    if not await repository.has_goal(session, values["goal_id"]):
        detail = "There is no such goal."
        raise NotFoundError(detail, extra={"errors": [{"path": "goal_id", "message": detail}]})
    _check(values)
    try:
        return await insert_row(session, Space, {"user_id": user_id, **values})
    except DuplicateError as exc:
        raise _title_taken() from exc


async def get_space(session: AsyncSession, space_id: UUID) -> Space:
    """Raises NotFoundError."""
    return await get_row(session, Space, space_id, SPACE)


async def update_space(session: AsyncSession, space_id: UUID, changes: dict[str, Any]) -> Space:
    """Raises NotFoundError, ForbiddenError (only the owner changes who may see it), ConflictError, InvalidError."""
    _check(changes)
    try:
        return await update_row(session, Space, space_id, changes, SPACE)
    except DuplicateError as exc:
        raise _title_taken() from exc


async def delete_space(session: AsyncSession, space_id: UUID) -> None:
    """With all that is in it. Raises NotFoundError, ForbiddenError."""
    await delete_row(session, Space, space_id, SPACE)


async def summarise_space(session: AsyncSession, space_id: UUID) -> Row[Any]:
    """Live figures. Raises NotFoundError, and ForbiddenError where the space is public and the person no member."""
    summary = await repository.live_summary(session, space_id)
    if summary is None:
        await get_space(session, space_id)
        raise ForbiddenError("The summary is for the members of this space.")
    return summary


async def list_modules(session: AsyncSession, space_id: UUID, *, limit: int) -> Sequence[Module]:
    """In their order, without their content. Raises NotFoundError for a space that the person may not see."""
    await get_space(session, space_id)
    return await repository.list_modules(session, space_id, limit)


async def add_module(session: AsyncSession, space_id: UUID, values: dict[str, Any]) -> Module:
    """After all others where no place is named. Raises NotFoundError, ForbiddenError."""
    await get_space(session, space_id)
    if "order_index" not in values:
        values = {**values, "order_index": await repository.next_place(session, space_id)}
    return await insert_row(session, Module, {"space_id": space_id, **values})


async def get_module(session: AsyncSession, module_id: UUID) -> Module:
    """Raises NotFoundError."""
    return await get_row(session, Module, module_id, MODULE)


async def update_module(session: AsyncSession, module_id: UUID, changes: dict[str, Any]) -> Module:
    """Raises NotFoundError, ForbiddenError."""
    return await update_row(session, Module, module_id, changes, MODULE)


async def delete_module(session: AsyncSession, module_id: UUID) -> None:
    """Its tasks stay, without a module. Raises NotFoundError, ForbiddenError."""
    await delete_row(session, Module, module_id, MODULE)


def _check(values: dict[str, Any]) -> None:
    if COLUMN in values:
        validate_config(values[COLUMN])


def _title_taken() -> ConflictError:
    return ConflictError("This goal has a space of this title already.", code="title_taken")
