"""What the planner knows after many rows came at once."""

from typing import get_args

import pytest
from sqlalchemy.exc import DBAPIError

from assistant.db.session import Database
from assistant.db.statistics import Area, refresh_statistics
from tests.fixtures.database import MakePerson

TABLES = {"conversations": "chat_messages", "knowledge": "document_embeddings", "learning": "tasks"}


@pytest.mark.parametrize("area", get_args(Area))
async def test_each_area_is_counted_partitioned_tables_as_a_whole(
    database: Database, make_person: MakePerson, area: Area
) -> None:
    ada = await make_person()
    async with database.transaction(ada.principal) as connection:
        await connection.exec_driver_sql(
            "insert into chat_messages (space_id, user_id, message)"
            " select %s, %s, n::text from generate_series(1, 50) n",
            (ada.space_id, ada.id),
        )
        await connection.exec_driver_sql(
            "insert into tasks (space_id, title) select %s, n::text from generate_series(1, 50) n", (ada.space_id,)
        )
    await refresh_statistics(database, area)
    async with database.service("maintain") as connection:
        rows = await connection.exec_driver_sql("select reltuples from pg_class where relname = %s", (TABLES[area],))
        counted = rows.scalar_one()
    assert counted >= (0 if area == "knowledge" else 50)  # -1: never


async def test_nothing_else_can_be_named(database: Database) -> None:
    with pytest.raises(DBAPIError):
        await refresh_statistics(database, "users; drop table users")  # type: ignore[arg-type]
