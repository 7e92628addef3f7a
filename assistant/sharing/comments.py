"""The rules for comments on modules, documents and tasks. Each function runs as who has the session."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.rows import delete_row, insert_row, update_row
from assistant.errors import InvalidError, NotFoundError
from assistant.sharing.models import Comment

NOUN: Final = "comment"

MAX_DEPTH: Final = 8
"""Of a reply; the database refuses deeper ones."""

TABLES: Final = {"module": "modules", "document": "documents", "task": "tasks"}

_SPACE_OF: Final = {
    kind: text(f"select r.space_id from public.{table} r where r.id = :id")  # noqa: S608 - our own names
    for kind, table in TABLES.items()
}

_NAMED: Final = """
select c.id, c.user_id, c.resource_type, c.resource_id, c.content, c.parent_id, c.space_id, c.depth, c.created_at,
       c.updated_at, (select count(*) from public.comments r where r.parent_id = c.id) as reply_count,
       {author} as author
from public.comments c {names}
"""
_BY_MEMBERS: Final = _NAMED.format(
    author="case when p.id is not null "
    "then jsonb_build_object('full_name', p.full_name, 'avatar_url', p.avatar_url) end",
    names="left join public.member_profiles(:space) p on p.id = c.user_id",
)
_BY_ANYBODY: Final = _NAMED.format(author="null::jsonb", names="")
"""Who is not signed in may not even ask for names."""

_PAGE: Final = """
where c.resource_type = :kind and c.resource_id = :resource
  and (cast(:parent as uuid) is null or c.parent_id = :parent) and (not :top_level or c.parent_id is null)
  and (cast(:after_time as timestamptz) is null or (c.created_at, c.id) > (:after_time, cast(:after_id as uuid)))
order by c.created_at, c.id limit :limit
"""


async def list_comments(
    session: AsyncSession,
    kind: str,
    resource_id: UUID,
    *,
    limit: int,
    signed_in: bool,
    parent_id: UUID | None = None,
    top_level: bool = False,
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[Row[Any]]:
    """What was said about a resource, the oldest first: a reply comes after what it answers. Raises NotFoundError."""
    after_time, after_id = after or (None, None)
    values = {
        "kind": kind,
        "resource": resource_id,
        "space": await space_of(session, kind, resource_id),
        "parent": parent_id,
        "top_level": top_level,
        "after_time": after_time,
        "after_id": after_id,
        "limit": limit,
    }
    statement = (_BY_MEMBERS if signed_in else _BY_ANYBODY) + _PAGE
    return (await session.execute(text(statement), values)).all()


async def get_comment(session: AsyncSession, comment_id: UUID, *, signed_in: bool) -> Row[Any]:
    """Raises NotFoundError."""
    space_id = await session.scalar(select(Comment.space_id).where(Comment.id == comment_id))
    statement = (_BY_MEMBERS if signed_in else _BY_ANYBODY) + "where c.id = :id"
    found = (await session.execute(text(statement), {"id": comment_id, "space": space_id})).one_or_none()
    if found is None:
        raise NotFoundError(f"There is no such {NOUN}.")
    return found


async def add_comment(
    session: AsyncSession, me: UUID, kind: str, resource_id: UUID, content: str, parent_id: UUID | None
) -> UUID:
    """Raises NotFoundError, ForbiddenError (for who is no member), InvalidError (nothing to answer, or too deep)."""
    await space_of(session, kind, resource_id)
    if parent_id is not None:
        await _check_parent(session, kind, resource_id, parent_id)
    values = {"user_id": me, "resource_type": kind, "resource_id": resource_id, "content": content}
    return (await insert_row(session, Comment, {**values, "parent_id": parent_id})).id


async def change_comment(session: AsyncSession, comment_id: UUID, changes: dict[str, Any]) -> None:
    """Raises NotFoundError, ForbiddenError: what somebody wrote is changed by them alone."""
    await update_row(session, Comment, comment_id, changes, NOUN)


async def delete_comment(session: AsyncSession, comment_id: UUID) -> None:
    """With the replies to it. Raises NotFoundError, ForbiddenError."""
    await delete_row(session, Comment, comment_id, NOUN)


async def space_of(session: AsyncSession, kind: str, resource_id: UUID) -> UUID:
    """Raises NotFoundError."""
    space_id: UUID | None = await session.scalar(_SPACE_OF[kind], {"id": resource_id})
    if space_id is None:
        raise NotFoundError(f"There is no such {kind}.")
    return space_id


async def _check_parent(session: AsyncSession, kind: str, resource_id: UUID, parent_id: UUID) -> None:
    statement = select(Comment.depth).where(
        Comment.id == parent_id, Comment.resource_type == kind, Comment.resource_id == resource_id
    )
    depth = await session.scalar(statement)
    if depth is None:
        raise InvalidError("There is no such comment to answer here.", path="parent_id")
    if depth >= MAX_DEPTH:
        raise InvalidError("This thread is deep enough: answer further up.", path="parent_id", code="too_deep")
