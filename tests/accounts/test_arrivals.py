"""Every way in which somebody can come to be a user here: each gives them a row of preferences."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from assistant.accounts.admission import UserAdmission
from assistant.accounts.passwords import Passwords
from assistant.accounts.service import AccountService
from assistant.accounts.visits import Visits
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.identity import VerifiedToken
from tests.fixtures.api import Caller
from tests.fixtures.database import make_user

Arrival = Callable[[Database, Server, Caller], Awaitable[UUID]]


async def by_signing_up(database: Database, server: Server, anybody: Caller) -> UUID:
    made = await anybody.call(
        "POST", "/auth/signup", {"email": f"{uuid4().hex}@example.org", "password": "correct horse battery"}
    )
    return UUID(made.json()["user"]["id"])


async def by_an_operator(database: Database, server: Server, anybody: Caller) -> UUID:
    return await AccountService(database, Passwords()).sign_up(f"{uuid4().hex}@example.org", None, tier="pro")


async def by_a_token_of_somebody_whom_the_provider_has_here(
    database: Database, server: Server, anybody: Caller
) -> UUID:
    user_id = uuid4()
    with connect(server.url) as connection:
        connection.execute("insert into auth.users (id) values (%s)", (user_id,))
    await admitted(database, user_id, takes_in_strangers=False)
    return user_id


async def by_a_token_of_a_stranger(database: Database, server: Server, anybody: Caller) -> UUID:
    user_id = uuid4()
    await admitted(database, user_id, takes_in_strangers=True)
    return user_id


async def admitted(database: Database, user_id: UUID, *, takes_in_strangers: bool) -> None:
    admission = UserAdmission(database, Visits(database), takes_in_strangers=takes_in_strangers)
    token = VerifiedToken(user_id, datetime.now(UTC) + timedelta(hours=1), f"{user_id}@example.org")
    assert await admission.admit(token)


async def by_the_service(database: Database, server: Server, anybody: Caller) -> UUID:
    return (await make_user(database))[0]


async def by_a_load_of_the_owner(database: Database, server: Server, anybody: Caller) -> UUID:
    user_id = uuid4()
    with connect(server.url) as connection, connection.transaction():
        connection.execute("insert into auth.users (id) values (%s)", (user_id,))
        with connection.cursor().copy("copy users (id, email) from stdin") as copy:
            copy.write_row((str(user_id), f"{user_id}@example.org"))
    return user_id


async def by_coming_back(database: Database, server: Server, anybody: Caller) -> UUID:
    """Deleted, and made again with the same id."""
    user_id, email = await make_user(database)
    async with database.service("accounts") as connection:
        await connection.exec_driver_sql("delete from auth.users where id = %s", (user_id,))
        await connection.exec_driver_sql("insert into auth.users (id) values (%s)", (user_id,))
        await connection.exec_driver_sql("insert into users (id, email) values (%s, %s)", (user_id, email))
    return user_id


@pytest.mark.parametrize(
    "arrive",
    [
        by_signing_up,
        by_an_operator,
        by_a_token_of_somebody_whom_the_provider_has_here,
        by_a_token_of_a_stranger,
        by_the_service,
        by_a_load_of_the_owner,
        by_coming_back,
    ],
)
async def test_preferences_come_with_the_user(
    arrive: Arrival, database: Database, server: Server, anybody: Caller
) -> None:
    user_id = await arrive(database, server, anybody)
    async with database.service("accounts") as connection:
        found = await connection.exec_driver_sql(
            "select theme, language from user_preferences where user_id = %s", (user_id,)
        )
        assert [tuple(row) for row in found] == [("system", "en")]


async def test_many_at_once_each_get_theirs(database: Database) -> None:
    people = await asyncio.gather(*(make_user(database) for _ in range(5)))
    async with database.service("accounts") as connection:
        found = await connection.exec_driver_sql(
            "select count(*) from user_preferences where user_id = any (%s)", ([user_id for user_id, _ in people],)
        )
        assert found.scalar_one() == 5
