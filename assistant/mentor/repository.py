"""What the mentor's tools read that no feature's own lists give."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncConnection

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
