"""Statements about spaces that are more than one row by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, Select, Uuid, any_, case, column, func, or_, select, table, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import defer

from assistant.db.errors import as_known_error
from assistant.db.keyset import Sort, Sorting, by_date, contains, keyset
from assistant.goals.models import Goal
from assistant.spaces.models import Module, ModuleProgress, Space, Task

Relation = Literal["member", "owner", "public"]

_members = table("space_collaborators", column("space_id", Uuid), column("user_id", Uuid), column("accepted_at"))
"""A table of `sharing`, which builds on this feature and not the other way round."""


@dataclass(frozen=True, slots=True)
class SpaceFilter:
    """What a list of spaces is narrowed to; `text` stands in title or description."""

    relation: Relation = "member"
    goal_id: UUID | None = None
    visibility: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list of tasks is narrowed to: `due_after` with, `due_before` without the moment itself."""

    status: str | None = None
    priority: str | None = None
    module_id: UUID | None = None
    due_before: datetime | None = None
    due_after: datetime | None = None
    text: str | None = None


def _named(model: type[Space] | type[Task]) -> dict[str, Sort]:
    return {
        "created": Sort("created_at", datetime, model.created_at),
        "updated": Sort("updated_at", datetime, model.updated_at),
        "title": Sort("title", str, model.title),
    }


_PRIORITIES: Final = ("low", "medium", "high", "urgent")

_SPACE_SORTS: Final = _named(Space)
_TASK_SORTS: Final = _named(Task) | {
    "due": by_date("due_date", Task.due_date),
    "priority": Sort(
        "priority",
        str | None,
        case({name: place for place, name in enumerate(_PRIORITIES)}, value=Task.priority, else_=1),
        lambda name: 1 if name is None else _PRIORITIES.index(name),
    ),
}


def sorted_spaces(order: str) -> Sorting:
    return Sorting.named(order, _SPACE_SORTS, Space.id)


def sorted_tasks(order: str) -> Sorting:
    return Sorting.named(order, _TASK_SORTS, Task.id)


OLDEST_FIRST: Final = sorted_tasks("created")
NEWEST_FIRST: Final = sorted_spaces("-created")


def _joined(user_id: UUID) -> Select[UUID]:
    return select(_members.c.space_id).where(_members.c.user_id == user_id, _members.c.accepted_at.is_not(None))


async def list_spaces(
    session: AsyncSession,
    user_id: UUID,
    wanted: SpaceFilter,
    *,
    order: Sorting,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Space]:
    own = Space.user_id == user_id
    related = {"owner": own, "member": or_(own, Space.id.in_(_joined(user_id))), "public": Space.visibility == "public"}
    statement = select(Space).where(related[wanted.relation])
    if wanted.goal_id is not None:
        statement = statement.where(Space.goal_id == wanted.goal_id)
    if wanted.visibility is not None:
        statement = statement.where(Space.visibility == wanted.visibility)
    if wanted.text is not None:
        statement = statement.where(contains(wanted.text, Space.title, Space.description))
    return (await session.scalars(order.page(statement, after, limit))).all()


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
    session: AsyncSession, space_id: UUID, *, text: str | None, after: Sequence[object] | None, limit: int
) -> Sequence[Module]:
    """Without their content."""
    statement = select(Module).where(Module.space_id == space_id).options(defer(Module.content, raiseload=True))
    if text is not None:
        statement = statement.where(contains(text, Module.title, Module.description))
    statement = keyset(statement, (Module.order_index, Module.id), after=after, limit=limit)
    return (await session.scalars(statement)).all()


async def list_tasks(
    session: AsyncSession,
    space_id: UUID,
    wanted: TaskFilter,
    *,
    order: Sorting,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Task]:
    statement = _filter(select(Task).where(Task.space_id == space_id), wanted)
    return (await session.scalars(order.page(statement, after, limit))).all()


async def list_members_tasks(
    session: AsyncSession,
    user_id: UUID,
    wanted: TaskFilter,
    *,
    order: Sorting,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Task]:
    """Of all spaces that the person owns or has joined."""
    spaces = select(Space.id).where(or_(Space.user_id == user_id, Space.id.in_(_joined(user_id))))
    statement = _filter(select(Task).where(Task.space_id == any_(func.array(spaces.scalar_subquery()))), wanted)
    return (await session.scalars(order.page(statement, after, limit))).all()


def _filter(statement: Select[Task], wanted: TaskFilter) -> Select[Task]:
    if wanted.status is not None:
        statement = statement.where(Task.status == wanted.status)
    if wanted.priority is not None:
        statement = statement.where(Task.priority == wanted.priority)
    if wanted.module_id is not None:
        statement = statement.where(Task.module_id == wanted.module_id)
    if wanted.due_before is not None:
        statement = statement.where(Task.due_date < wanted.due_before)
    if wanted.due_after is not None:
        statement = statement.where(Task.due_date >= wanted.due_after)
    if wanted.text is not None:
        statement = statement.where(contains(wanted.text, Task.title, Task.description))
    return statement


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
