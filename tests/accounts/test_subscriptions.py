"""What people are subscribed to: at most one thing at a time, and not for longer than it was paid for."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from assistant.accounts.subscriptions import end_expired, set_subscription
from assistant.db.session import Database
from tests.fixtures.api import Caller

SOON = datetime.now(UTC) + timedelta(days=30)


async def stored(database: Database, user_id: UUID) -> list[tuple[Any, ...]]:
    """Tier, status and whether it has an end, in the order of their beginning."""
    async with database.service("accounts") as connection:
        rows = await connection.exec_driver_sql(
            "select tier, status, ends_at is not null from subscriptions where user_id = %s"
            " order by created_at, status",
            (user_id,),
        )
        return [tuple(row) for row in rows]


async def tier(who: Caller) -> str:
    return str((await who.get("/api/me/subscription")).json()["tier"])


async def execute(database: Database, statement: str, *values: object) -> None:
    async with database.service("accounts") as connection:
        await connection.exec_driver_sql(statement, values)


async def test_a_new_one_ends_the_one_before(ada: Caller, database: Database) -> None:
    await set_subscription(database, ada.id, "basic", None)
    await set_subscription(database, ada.id, "pro", SOON)
    assert await stored(database, ada.id) == [("basic", "canceled", True), ("pro", "active", True)]
    found = (await ada.get("/api/me/subscription")).json()
    assert (found["tier"], datetime.fromisoformat(found["ends_at"])) == ("pro", SOON)


async def test_free_ends_what_there_is_and_begins_nothing(ada: Caller, database: Database) -> None:
    await set_subscription(database, ada.id, "free", None)
    assert await stored(database, ada.id) == []
    await set_subscription(database, ada.id, "enterprise", None)
    await set_subscription(database, ada.id, "free", None)
    assert await stored(database, ada.id) == [("enterprise", "canceled", True)]
    assert await tier(ada) == "free"


async def test_one_that_has_not_begun_can_be_ended(ada: Caller, database: Database) -> None:
    """Nothing may end before it begins."""
    await execute(
        database,
        "insert into subscriptions (user_id, tier, status, starts_at) values (%s, 'pro', 'active', now() + '1 year')",
        ada.id,
    )
    await set_subscription(database, ada.id, "basic", None)
    assert await tier(ada) == "basic"


async def test_many_changes_at_once_leave_one_active(ada: Caller, database: Database) -> None:
    await asyncio.gather(*(set_subscription(database, ada.id, "pro", None) for _ in range(8)))
    found = [status for _, status, _ in await stored(database, ada.id)]
    assert sorted(found) == ["active", *["canceled"] * 7]


async def test_what_is_over_counts_no_more_at_once_and_is_marked_later(
    ada: Caller, bob: Caller, database: Database
) -> None:
    await set_subscription(database, ada.id, "pro", SOON)
    await set_subscription(database, bob.id, "pro", SOON)
    await execute(
        database,
        "update subscriptions set starts_at = now() - interval '2 h', ends_at = now() - interval '1 s'"
        " where user_id = %s",
        ada.id,
    )
    assert (await tier(ada), await tier(bob)) == ("free", "pro")
    assert await stored(database, ada.id) == [("pro", "active", True)]
    assert await end_expired(database) >= 1  # other tests' too
    assert await stored(database, ada.id) == [("pro", "canceled", True)]
    assert await stored(database, bob.id) == [("pro", "active", True)]
    assert await end_expired(database) == 0


async def test_after_the_end_a_new_one_can_begin_before_the_old_one_is_marked(ada: Caller, database: Database) -> None:
    await set_subscription(database, ada.id, "pro", SOON)
    await execute(
        database,
        "update subscriptions set starts_at = '2026-01-01', ends_at = '2026-02-01' where user_id = %s",
        ada.id,
    )
    await set_subscription(database, ada.id, "basic", None)
    assert await tier(ada) == "basic"
    async with database.service("accounts") as connection:
        ended = await connection.exec_driver_sql(
            "select ends_at::date::text from subscriptions where user_id = %s and tier = 'pro'", (ada.id,)
        )
        assert ended.scalar_one() == "2026-02-01"  # it had ended then, not now
