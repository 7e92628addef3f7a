"""Statements about spaces that are more than one row by its id."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import defer

from assistant.db.errors import as_known_error
from assistant.goals.models import Goal
from assistant.spaces.models import Module, ModuleProgress, Space


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


async def list_modules(session: AsyncSession, space_id: UUID, limit: int) -> Sequence[Module]:
    """In their order, without their content."""
    statement = select(Module).where(Module.space_id == space_id).options(defer(Module.content, raiseload=True))
    return (await session.scalars(statement.order_by(Module.order_index, Module.id).limit(limit))).all()


async def next_place(session: AsyncSession, space_id: UUID) -> int:
    """The `order_index` of a module that comes last. Of several that are added at once each gets its own."""
    lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
    await session.execute(lock, {"name": f"modules of {space_id}"})
    last = await session.scalar(select(func.max(Module.order_index)).where(Module.space_id == space_id))
    return 0 if last is None else min(last + 1, 2**31 - 1)


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


async def begin_progress(session: AsyncSession, module_id: UUID, user_id: UUID) -> bool:
    """A row where there was none; whether there was none. Of several at once one makes it, the others wait."""
    statement = upsert(ModuleProgress).values(module_id=module_id, user_id=user_id)
    statement = statement.on_conflict_do_nothing(index_elements=["module_id", "user_id"])
    with as_known_error():
        return await session.scalar(statement.returning(ModuleProgress.id)) is not None


async def lock_progress(session: AsyncSession, module_id: UUID, user_id: UUID) -> ModuleProgress | None:
    statement = select(ModuleProgress).where(ModuleProgress.module_id == module_id, ModuleProgress.user_id == user_id)
    return await session.scalar(statement.with_for_update())
