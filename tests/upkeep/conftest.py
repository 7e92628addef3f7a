"""A database of its own, whose months tests may move about."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.identity import Principal, learner
from assistant.db.roles import Logins
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.upkeep.service import Outcome, Upkeep
from assistant.upkeep.steps import Policy
from tests.fixtures.database import make_user


@pytest.fixture(scope="session")
async def own_server(server: Server) -> AsyncIterator[Server]:
    name = f"upkeep_{uuid4().hex[:12]}"

    def at(address: str) -> str:
        return make_url(address).set(database=name).render_as_string(hide_password=False)

    with connect(server.url) as connection:
        connection.execute(f"create database {name}")
    try:
        logins = Logins(at(server.logins.login_url), at(server.logins.jobs_url))
        own = replace(server, url=at(server.url), direct_url=at(server.direct_url), logins=logins)
        await asyncio.to_thread(migrate.upgrade, own.url)
        yield own
    finally:
        with connect(server.url) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
async def own(own_server: Server) -> AsyncIterator[Database]:
    async with own_server.open() as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Someone:
    """Somebody with a space."""

    id: UUID
    space: UUID
    goal: UUID
    principal: Principal = field(repr=False)


@pytest.fixture
async def ada(own: Database) -> Someone:
    return await make_someone(own)


async def make_someone(database: Database) -> Someone:
    user_id, _ = await make_user(database)
    someone = Someone(user_id, uuid4(), uuid4(), learner(user_id))
    async with database.transaction(someone.principal) as connection:
        await connection.exec_driver_sql(
            "insert into goals (id, user_id, title) values (%s, %s, 'Learn to sail')", (someone.goal, user_id)
        )
        await connection.exec_driver_sql(
            "insert into spaces (id, goal_id, user_id, title) values (%s, %s, %s, 'Sailing')",
            (someone.space, someone.goal, user_id),
        )
    return someone


async def rows(database: Database, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """As the service."""
    async with database.service("maintain") as connection:
        result = await connection.exec_driver_sql(statement, values)
        return [tuple(row) for row in result] if result.returns_rows else []


def owners_rows(server: Server, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """As the owner of the tables, who may look into partitions."""
    with connect(server.url) as connection:
        return connection.execute(statement.encode(), values).fetchall()  # type: ignore[return-value]


async def say(database: Database, who: Someone, when: datetime, message: str = "Ahoy") -> None:
    """A message of that time."""
    await rows(
        database,
        "insert into chat_messages (space_id, user_id, message, thread_id, created_at) values (%s, %s, %s, 't', %s)",
        who.space,
        who.id,
        message,
        when,
    )


async def history(database: Database, who: Someone) -> list[tuple[Any, ...]]:
    """What the person sees, oldest first."""
    return await database.fetch(
        who.principal, "select created_at, message from chat_messages order by created_at, message"
    )


def noon(year: int, month: int, day: int = 10) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


async def maintained(server: Server, database: Database, today: date, policy: Policy | None = None) -> dict[str, str]:
    """What each step told."""
    outcomes: list[Outcome] = [one async for one in Upkeep(server, database, policy or Policy()).do_all(today)]
    assert [one.step for one in outcomes if one.failed] == []
    return {one.step: one.told for one in outcomes}
