"""Statements about spaces that are more than one row by its id."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, Uuid, column, or_, select, table, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import defer

from assistant.db.errors import as_known_error
from assistant.db.keyset import keyset
from assistant.goals.models import Goal
from assistant.spaces.models import Module, ModuleProgress, Space, Task

Relation = Literal["member", "owner", "public"]

_members = table("space_collaborators", column("space_id", Uuid), column("user_id", Uuid), column("accepted_at"))
"""A table of `sharing`, which builds on this feature and not the other way round."""


async def list_spaces(
    session: AsyncSession,
    user_id: UUID,
    *,
    relation: Relation,
    goal_id: UUID | None,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Space]:
    own = Space.user_id == user_id
    joined = select(_members.c.space_id).where(_members.c.user_id == user_id, _members.c.accepted_at.is_not(None))
    statement = select(Space).where(
        {"owner": own, "member": or_(own, Space.id.in_(joined)), "public": Space.visibility == "public"}[relation]
    )
    if goal_id is not None:
        statement = statement.where(Space.goal_id == goal_id)
    statement = keyset(statement, (Space.created_at, Space.id), after=after, limit=limit, descending=True)
    return (await session.scalars(statement)).all()


async def has_goal(session: AsyncSession, goal_id: UUID) -> bool:
    return await session.scalar(select(Goal.id).where(Goal.id == goal_id)) is not None


async def space_of_module(session: AsyncSession, module_id: UUID) -> UUID | None:
    return await session.scalar(select(Module.space_id).where(Module.id == module_id))


async def find_space(session: AsyncSession, goal_id: UUID, title: str) -> Space | None:
    return await session.scalar(select(Space).where(Space.goal_id == goal_id, Space.title == title))


async def owner_of(connection: AsyncConnection, space_id: UUID) -> UUID | None:
    """As the service: whose space it is."""
    return await connection.scalar(select(Space.user_id).where(Space.id == space_id))


async def live_summary(session: AsyncSession, space_id: UUID) -> Row[Any] | None:
    """The space's row of `space_summaries` as it would be now; None for those who are no members."""
    statement = text("select * from assistant.space_summary(:space)")
    return (await session.execute(statement, {"space": space_id})).one_or_none()


async def list_modules(
    session: AsyncSession, space_id: UUID, *, after: Sequence[object] | None, limit: int
) -> Sequence[Module]:
    """Without their content."""
    statement = select(Module).where(Module.space_id == space_id).options(defer(Module.content, raiseload=True))
    statement = keyset(statement, (Module.order_index, Module.id), after=after, limit=limit)
    return (await session.scalars(statement)).all()


async def list_tasks(
    session: AsyncSession,
    space_id: UUID,
    *,
    status: str | None,
    module_id: UUID | None,
    due_before: datetime | None,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Task]:
    statement = select(Task).where(Task.space_id == space_id)
    if status is not None:
        statement = statement.where(Task.status == status)
    if module_id is not None:
        statement = statement.where(Task.module_id == module_id)
    if due_before is not None:
        statement = statement.where(Task.due_date < due_before)
    return (await session.scalars(keyset(statement, (Task.created_at, Task.id), after=after, limit=limit))).all()


async def get_progress(session: AsyncSession, module_id: UUID, user_id: UUID) -> ModuleProgress | None:
    statement = select(ModuleProgress).where(ModuleProgress.module_id == module_id, ModuleProgress.user_id == user_id)
    return await session.scalar(statement)


async def set_progress(
    session: AsyncSession, module_id: UUID, user_id: UUID, completion_percentage: int
) -> ModuleProgress:
    statement = upsert(ModuleProgress).values(
        module_id=module_id, user_id=user_id, completion_percentage=completion_percentage
    )
    statement = statement.on_conflict_do_update(
        index_elements=["module_id", "user_id"], set_={"completion_percentage": completion_percentage}
    )
    # A row that the session has read before is the new one afterwards, too.
    fresh = {"populate_existing": True}
    with as_known_error():
        return (await session.scalars(statement.returning(ModuleProgress), execution_options=fresh)).one()
