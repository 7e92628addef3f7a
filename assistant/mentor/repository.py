"""What the mentor's tools read that no feature's own lists give."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.knowledge.retrieval import Passage

# The next due first: what a mentor is asked about. `total` counts what `limit` leaves out, too.
_NEXT_TASKS: Final = sql("""
select t.id, t.title, t.status, t.priority, t.due_date, t.module_id, count(*) over () as total
from public.tasks t
where t.space_id = :space_id
  and t.status = any (:statuses)
  and (cast(:module_id as uuid) is null or t.module_id = :module_id)
  and (cast(:due_before as timestamptz) is null or t.due_date <= :due_before)
order by t.due_date, t.created_at, t.id
limit :limit
""")


async def next_tasks(
    connection: AsyncConnection,
    space_id: UUID,
    *,
    statuses: Sequence[str],
    module_id: UUID | None,
    due_before: datetime | None,
    limit: int,
) -> Sequence[Row[Any]]:
    values = {
        "space_id": space_id,
        "statuses": list(statuses),
        "module_id": module_id,
        "due_before": due_before,
        "limit": limit,
    }
    return (await connection.execute(_NEXT_TASKS, values)).all()


_NEWEST_DOCUMENTS: Final = sql("""
select d.id, d.title, d.created_by, count(*) over () as total
from public.documents d
where d.space_id = :space_id
order by d.created_at desc, d.id
limit :limit
""")


async def newest_documents(connection: AsyncConnection, space_id: UUID, limit: int) -> Sequence[Row[Any]]:
    return (await connection.execute(_NEWEST_DOCUMENTS, {"space_id": space_id, "limit": limit})).all()


_NEXT_GOALS: Final = sql("""
select g.id, g.title, g.category, g.status, g.priority, g.due_date, count(*) over () as total
from public.goals g
where g.user_id = :user_id and g.status = :status
order by g.due_date, g.created_at, g.id
limit :limit
""")


async def next_goals(connection: AsyncConnection, user_id: UUID | None, status: str, limit: int) -> Sequence[Row[Any]]:
    values = {"user_id": user_id, "status": status, "limit": limit}
    return (await connection.execute(_NEXT_GOALS, values)).all()


_MODULES: Final = sql("""
select m.id, m.title, m.content_type, coalesce(p.completion_percentage, 0) as completion_percentage, p.completed_at,
       count(*) over () as total
from public.modules m
left join public.module_progress p on p.module_id = m.id and p.user_id = :user_id
where m.space_id = :space_id
order by m.order_index, m.id
limit :limit offset :after
""")


async def modules_with_progress(
    connection: AsyncConnection, space_id: UUID, user_id: UUID | None, after: int, limit: int
) -> Sequence[Row[Any]]:
    """In their order, with that person's progress."""
    values = {"space_id": space_id, "user_id": user_id, "after": after, "limit": limit}
    return (await connection.execute(_MODULES, values)).all()


# The columns of a Passage; then the part's number, which is its chunk's, from 1, and the number of the last one.
_PARTS: Final = sql("""
select e.id, e.document_id, d.title, e.heading, e.page, e.chunk_text, e.start_offset, e.end_offset,
       1.0 as score, d.created_by, e.chunk_index + 1 as part,
       (select max(last.chunk_index) + 1 from public.document_embeddings last where last.document_id = d.id) as parts
from public.documents d
join public.document_embeddings e on e.document_id = d.id
where d.id = :document_id and d.space_id = :space_id and e.chunk_index >= :part - 1 and e.start_offset is not null
order by e.chunk_index
limit :limit
""")


async def parts_of_document(
    connection: AsyncConnection, space_id: UUID, document_id: UUID, part: int, limit: int
) -> Sequence[Row[Any]]:
    values = {"space_id": space_id, "document_id": document_id, "part": part, "limit": limit}
    return (await connection.execute(_PARTS, values)).all()


_OF_CHUNKS: Final = """
select e.id, e.document_id, d.title, e.heading, e.page, e.chunk_text, e.start_offset, e.end_offset, 1.0::float8,
       d.created_by
from public.document_embeddings e join public.documents d on d.id = e.document_id
where e.id = any (%s) and e.start_offset is not null
"""


async def passages_of_chunks(database: Database, principal: Principal, chunk_ids: Sequence[UUID]) -> list[Passage]:
    """In the order of the ids. One that is gone, or out of the caller's sight, keeps its place and has no text."""
    if not chunk_ids:
        return []
    found = {row[0]: Passage(*row) for row in await database.fetch(principal, _OF_CHUNKS, (list(chunk_ids),))}
    return [found.get(chunk_id) or _gone(chunk_id) for chunk_id in chunk_ids]


def _gone(chunk_id: UUID) -> Passage:
    return Passage(chunk_id, chunk_id, "", None, None, "", 0, 0, 0.0, None)
