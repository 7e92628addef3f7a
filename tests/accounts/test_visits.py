"""`last_active_at`: true to some minutes, and hardly ever written."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from assistant.accounts import visits as module
from assistant.accounts.admission import UserAdmission
from assistant.accounts.visits import Visits
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.errors import UnavailableError
from assistant.identity import VerifiedToken
from tests.fixtures.api import Caller
from tests.fixtures.database import make_user


async def last_active(database: Database, user_id: UUID) -> datetime | None:
    async with database.service("accounts") as connection:
        row = await connection.exec_driver_sql("select last_active_at from users where id = %s", (user_id,))
        found: datetime | None = row.scalar_one()
        return found


async def set_last_active(database: Database, user_id: UUID, ago: str) -> None:
    async with database.service("accounts") as connection:
        await connection.exec_driver_sql(
            "update users set last_active_at = now() - %s::interval where id = %s", (ago, user_id)
        )


def token(user_id: UUID) -> VerifiedToken:
    return VerifiedToken(user_id, datetime.now(UTC) + timedelta(hours=1), None)


@pytest.fixture
def statements(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the service's login is asked for from here on."""
    asked: list[str] = []
    fetch: Callable[..., object] = database.fetch_as_service

    async def count(job: str, statement: str, *values: object) -> object:
        asked.append(statement)
        return await fetch(job, statement, *values)  # type: ignore[misc]

    monkeypatch.setattr(database, "fetch_as_service", count)
    return asked


async def test_a_hundred_requests_are_one_write_which_none_of_them_does(
    database: Database, statements: list[str]
) -> None:
    user_id, _ = await make_user(database)
    visits = Visits(database)
    admission = UserAdmission(database, visits, takes_in_strangers=False)
    for _ in range(100):
        assert await admission.admit(token(user_id))
    assert [statement for statement in statements if "update" in statement] == []
    assert await last_active(database, user_id) is None
    for _ in range(3):
        await visits.write()
        assert await admission.admit(token(user_id))
    assert len([statement for statement in statements if "update" in statement]) == 1
    assert await last_active(database, user_id) is not None


async def test_all_who_came_are_written_together(database: Database, statements: list[str]) -> None:
    people = [(await make_user(database))[0] for _ in range(5)]
    visits = Visits(database)
    for user_id in people:
        visits.note(user_id)
    await visits.write()
    assert len(statements) == 1
    assert None not in [await last_active(database, user_id) for user_id in people]


@pytest.mark.parametrize(("ago", "is_written"), [("10 minutes", True), ("4 minutes", False)])
async def test_other_processes_count_too(database: Database, ago: str, is_written: bool) -> None:
    user_id, _ = await make_user(database)
    await set_last_active(database, user_id, ago)
    before = await last_active(database, user_id)
    visits = Visits(database)
    visits.note(user_id)
    await visits.write()
    assert (await last_active(database, user_id) != before) is is_written


async def test_who_stays_is_written_again_after_some_minutes(
    database: Database, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, _ = await make_user(database)
    visits = Visits(database)
    visits.note(user_id)
    await visits.write()
    await set_last_active(database, user_id, "1 hour")
    monkeypatch.setattr(module, "monotonic", lambda: 1e9)
    visits.note(user_id)
    await visits.write()
    found = await last_active(database, user_id)
    assert found is not None
    assert datetime.now(UTC) - found < timedelta(minutes=1)


async def test_a_visit_is_no_change_of_the_person(database: Database) -> None:
    user_id, _ = await make_user(database)
    visits = Visits(database)
    visits.note(user_id)
    await visits.write()
    async with database.service("accounts") as connection:
        row = await connection.exec_driver_sql("select updated_at = created_at from users where id = %s", (user_id,))
        assert row.scalar_one() is True


async def test_a_row_that_somebody_changes_is_not_waited_for(database: Database, server: Server) -> None:
    user_id, _ = await make_user(database)
    visits = Visits(database)
    visits.note(user_id)
    with connect(server.url) as other, other.transaction(force_rollback=True):
        other.execute("update users set full_name = 'Ada' where id = %s", (user_id,))
        async with asyncio.timeout(1):
            await visits.write()


async def test_a_database_that_is_away_loses_no_visit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id, _ = await make_user(database)
    visits = Visits(database)
    visits.note(user_id)

    async def fail(*_: object) -> None:
        raise UnavailableError("It is away.")

    with monkeypatch.context() as patch:
        patch.setattr(database, "fetch_as_service", fail)
        await visits.write()
    await visits.write()
    assert await last_active(database, user_id) is not None


async def test_what_is_noted_when_the_service_ends_is_written(database: Database) -> None:
    user_id, _ = await make_user(database)
    async with Visits(database) as visits:
        visits.note(user_id)
    assert await last_active(database, user_id) is not None


async def test_memory_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    visits = Visits(database)
    for number in range(4):
        visits.note(UUID(int=number))
    assert list(visits._noted) == [UUID(int=2), UUID(int=3)]


async def test_a_service_writes_who_calls_it(ada: Caller, database: Database) -> None:
    assert (await ada.get("/api/me")).status_code == 200
    async with asyncio.timeout(20):
        while True:
            if await last_active(database, ada.id) is not None:
                break
            await asyncio.sleep(0.1)
