"""The rules for goals. Each function runs as the person whose session it is given: the database decides."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.errors import DuplicateError
from assistant.db.rows import delete_row, get_row, insert_row, update_row
from assistant.errors import ConflictError
from assistant.goals.models import Goal

NOUN = "goal"


async def open_goal(session: AsyncSession, user_id: UUID, values: dict[str, Any]) -> Goal:
    """Raises ConflictError where the person has a goal of that title."""
    try:
        return await insert_row(session, Goal, {"user_id": user_id, **values})
    except DuplicateError as exc:
        raise _title_taken() from exc


async def find_goal(session: AsyncSession, title: str) -> Goal | None:
    """The person's goal of that title."""
    return await session.scalar(select(Goal).where(Goal.title == title))


async def get_goal(session: AsyncSession, goal_id: UUID) -> Goal:
    """Raises NotFoundError."""
    return await get_row(session, Goal, goal_id, NOUN)


async def update_goal(session: AsyncSession, goal_id: UUID, changes: dict[str, Any]) -> Goal:
    """Raises NotFoundError, ConflictError."""
    try:
        return await update_row(session, Goal, goal_id, changes, NOUN)
    except DuplicateError as exc:
        raise _title_taken() from exc


async def delete_goal(session: AsyncSession, goal_id: UUID) -> None:
    """With its spaces and all that is in them. Raises NotFoundError."""
    await delete_row(session, Goal, goal_id, NOUN)


def _title_taken() -> ConflictError:
    return ConflictError("You have a goal of this title already.", code="title_taken")
