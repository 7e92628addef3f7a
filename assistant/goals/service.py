"""The rules for goals. Each function runs as the person whose session it is given: the database decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.errors import DuplicateError
from assistant.db.keyset import Sort, Sorting, by_date, contains
from assistant.db.rows import delete_row, get_row, insert_row, update_row
from assistant.errors import ConflictError
from assistant.goals.models import Goal

NOUN = "goal"


@dataclass(frozen=True, slots=True)
class GoalFilter:
    """What a list of goals is narrowed to; `text` stands in title or description."""

    status: str | None = None
    category: str | None = None
    due_before: datetime | None = None
    text: str | None = None


_SORTS: Final = {
    "created": Sort("created_at", datetime, Goal.created_at),
    "updated": Sort("updated_at", datetime, Goal.updated_at),
    "due": by_date("due_date", Goal.due_date),
    "priority": Sort("priority", int | None, func.coalesce(Goal.priority, 0), lambda priority: priority or 0),
    "title": Sort("title", str, Goal.title),
}


def sorting(order: str) -> Sorting:
    return Sorting.named(order, _SORTS, Goal.id)


async def list_goals(
    session: AsyncSession, wanted: GoalFilter, sort: Sorting, *, after: Sequence[object] | None, limit: int
) -> Sequence[Goal]:
    """The person's own that fit."""
    statement = select(Goal)
    if wanted.status is not None:
        statement = statement.where(Goal.status == wanted.status)
    if wanted.category is not None:
        statement = statement.where(Goal.category == wanted.category)
    if wanted.due_before is not None:
        statement = statement.where(Goal.due_date < wanted.due_before)
    if wanted.text is not None:
        statement = statement.where(contains(wanted.text, Goal.title, Goal.description))
    return (await session.scalars(sort.page(statement, after, limit))).all()


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
