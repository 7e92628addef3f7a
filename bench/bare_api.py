"""A handler of the same framework that runs the same statement, and nothing more: the floor of `bench.api`.

    python -m bench.bare_api PORT DATABASE_URL USER_ID

No token, no identity, no limits, no logs, no policies; the driver's own pool, and rows written out as they come.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import uvicorn
from litestar import Litestar, get
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

STATEMENT: Final = """
    select id, user_id, title, description, category, status, priority, due_date, created_at, updated_at
    from goals where user_id = %s order by created_at desc, id desc limit 21
"""


class Goal(msgspec.Struct):
    id: UUID
    user_id: UUID
    title: str
    description: str | None
    category: str | None
    status: str
    priority: int | None
    due_date: datetime | None
    created_at: datetime
    updated_at: datetime


class Goals(msgspec.Struct):
    items: list[Goal]
    next_cursor: str | None = None


def create_app(database_url: str, user_id: str) -> Litestar:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        database_url, min_size=1, max_size=8, open=False, kwargs={"autocommit": True}
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with pool:
            yield

    @get("/api/goals")
    async def list_goals() -> Goals:
        async with pool.connection() as connection, connection.cursor(row_factory=class_row(Goal)) as cursor:
            await cursor.execute(STATEMENT, (user_id,))
            return Goals((await cursor.fetchall())[:20])

    return Litestar([list_goals], lifespan=[lifespan], openapi_config=None, logging_config=None)


def main() -> None:
    port, database_url, user_id = sys.argv[1:]
    app = create_app(database_url, user_id)
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
