"""Who has a good token: taken in when first seen, and let in no longer when gone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from assistant.accounts import admission as module
from assistant.accounts.admission import UserAdmission
from assistant.accounts.visits import Visits
from assistant.db.session import Database
from assistant.errors import ConflictError
from assistant.identity import VerifiedToken
from tests.fixtures.api import Caller
from tests.fixtures.database import make_user


def token(user_id: UUID, email: str | None = None) -> VerifiedToken:
    return VerifiedToken(user_id, datetime.now(UTC) + timedelta(hours=1), email)


async def execute(database: Database, statement: str, **values: object) -> object:
    async with database.service("accounts") as connection:
        result = await connection.execute(text(statement), values)
        return result.scalar() if result.returns_rows else None


@pytest.fixture
def visits(database: Database) -> Visits:
    return Visits(database)


@pytest.fixture
def admission(database: Database, visits: Visits) -> UserAdmission:
    return UserAdmission(database, visits, takes_in_strangers=False)


async def test_a_user_is_let_in_and_asked_about_seldom(admission: UserAdmission, database: Database) -> None:
    user_id, _ = await make_user(database)
    assert await admission.admit(token(user_id))
    asked = 0

    async def count(token: VerifiedToken) -> bool:
        nonlocal asked
        asked += 1
        return True

    admission._exists = count  # type: ignore[method-assign]
    for _ in range(100):
        assert await admission.admit(token(user_id))
    assert asked == 0


async def test_who_was_deleted_is_out_when_asked_again(
    admission: UserAdmission, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, email = await make_user(database)
    assert await admission.admit(token(user_id, email))
    await execute(database, "delete from auth.users where id = :id", id=user_id)
    monkeypatch.setattr(module, "TRUST_SECONDS", 0)
    assert not await admission.admit(token(user_id, email))
    assert await execute(database, "select count(*) from users where id = :id", id=user_id) == 0


async def test_somebody_whom_nobody_knows_is_refused(admission: UserAdmission, database: Database) -> None:
    user_id = uuid4()
    assert not await admission.admit(token(user_id, f"{user_id}@example.org"))
    assert not await admission.admit(token(user_id, None))
    assert await execute(database, "select count(*) from auth.users where id = :id", id=user_id) == 0


async def test_an_identity_gets_its_user_at_first_sight(admission: UserAdmission, database: Database) -> None:
    """As on Supabase: people sign up there, and are here when they come."""
    user_id = uuid4()
    await execute(database, "insert into auth.users (id) values (:id)", id=user_id)
    assert not await admission.admit(token(user_id, None))
    assert await admission.admit(token(user_id, f"{user_id}@example.org"))
    assert await execute(database, "select email from users where id = :id", id=user_id) == f"{user_id}@example.org"
    assert await execute(database, "select count(*) from user_preferences where user_id = :id", id=user_id) == 1


async def test_where_a_provider_answers_for_people_strangers_are_taken_in(database: Database) -> None:
    admission = UserAdmission(database, Visits(database), takes_in_strangers=True)
    user_id = uuid4()
    for _ in range(2):
        assert await admission.admit(token(user_id, f"{user_id}@example.org"))
        admission._seen.clear()
    assert await execute(database, "select count(*) from users where id = :id", id=user_id) == 1


async def test_an_address_of_somebody_else_is_a_conflict(database: Database) -> None:
    admission = UserAdmission(database, Visits(database), takes_in_strangers=True)
    _, email = await make_user(database)
    stranger = uuid4()
    with pytest.raises(ConflictError):
        await admission.admit(token(stranger, email))
    assert await execute(database, "select count(*) from auth.users where id = :id", id=stranger) == 0


async def test_memory_is_bounded(admission: UserAdmission, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    people = [(await make_user(database))[0] for _ in range(4)]
    for user_id in people:
        await admission.admit(token(user_id))
    assert list(admission._seen) == people[2:]


async def test_a_good_token_of_somebody_deleted_is_refused(
    ada: Caller, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ada.get("/api/me")).status_code == 200
    await execute(database, "delete from auth.users where id = :id", id=ada.id)
    monkeypatch.setattr(module, "TRUST_SECONDS", 0)
    answer = await ada.get("/api/me")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
