"""Nothing waits for ever and nothing has to be restarted: time-outs, cancellation, connections that die."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

import psycopg
import pytest
from sqlalchemy import text

from assistant.db.errors import DatabaseUnavailableError, translate
from assistant.db.identity import ANONYMOUS, Principal, learner
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from tests.fixtures.database import make_user
from tests.fixtures.databases import NewDatabase, server_at

LIMITS = {
    "login_url": {"statement_timeout": "5s", "lock_timeout": "2s", "transaction_timeout": "30s"},
    "jobs_url": {"statement_timeout": "1min", "lock_timeout": "2s", "transaction_timeout": "15min"},
}


@pytest.fixture(scope="module")
def own(server: Server, new_schema: NewDatabase) -> Server:
    """A database whose connections may be cut without harm to others."""
    return server_at(server, new_schema())


@pytest.fixture(scope="module")
async def database(own: Server) -> AsyncIterator[Database]:
    async with own.open() as opened:
        yield opened


@pytest.mark.parametrize("login", LIMITS)
def test_logins_come_with_their_limits(own: Server, login: str) -> None:
    address = getattr(own.logins, login).replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address) as connection:
        has_all = connection.info.server_version >= 170000
        for name, value in (LIMITS[login] | {"idle_in_transaction_session_timeout": "10s"}).items():
            if has_all or name != "transaction_timeout":
                assert connection.execute(f"show {name}".encode()).fetchone() == (value,), name


async def test_who_stops_in_a_transaction_loses_it(own: Server, database: Database) -> None:
    async def stop() -> None:
        async with database.transaction(ANONYMOUS) as connection:
            await connection.execute(text("set local idle_in_transaction_session_timeout = '50ms'"))
            with connect(own.url) as watch:
                await gone(watch, "idle in transaction")
            await connection.execute(text("select 1"))

    with pytest.raises(DatabaseUnavailableError):
        await stop()
    assert await database.fetch(ANONYMOUS, "select 1") == [(1,)]


def test_a_transaction_as_a_whole_has_its_limit(own: Server) -> None:
    address = own.logins.login_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address, autocommit=True, options="-c transaction_timeout=50ms") as connection:
        connection.execute("begin")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("select pg_sleep(5)")
    assert refused.value.sqlstate == "25P04"
    assert isinstance(translate(refused.value), DatabaseUnavailableError)


async def test_a_lock_that_another_holds_is_not_waited_for_long(database: Database) -> None:
    user, _ = await make_user(database)
    person = learner(user)
    async with database.transaction(person) as first:
        await first.execute(text("update users set full_name = 'First'"))
        with pytest.raises(DatabaseUnavailableError):
            await rename(database, person)


async def rename(database: Database, person: Principal) -> None:
    async with database.transaction(person) as connection:
        await connection.execute(text("set local lock_timeout = '50ms'"))
        await connection.execute(text("update users set full_name = 'Second'"))


async def test_what_its_caller_gives_up_ends_in_the_server(own: Server, database: Database) -> None:
    for ask in (fetch_slowly, execute_slowly):
        task = asyncio.create_task(ask(database))
        with connect(own.url) as watch:
            await running(watch, "pg_sleep")
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await gone(watch, "active", "pg_sleep")
    assert await database.fetch(ANONYMOUS, "select 1") == [(1,)]


async def test_connections_that_die_at_random_are_replaced(own: Server, database: Database) -> None:
    """Answers are right or there is none; afterwards all is as before."""
    random, people = Random(3), [(await make_user(database))[0] for _ in range(4)]
    stop = asyncio.Event()
    answered = refused = 0

    async def ask(n: int) -> None:
        nonlocal answered, refused
        person = people[n % 4]
        while not stop.is_set():
            try:
                if n % 2:
                    rows = [tuple(row) for row in await database.fetch(learner(person), "select id from users")]
                else:
                    async with database.session(learner(person)) as session:
                        rows = [tuple(row) for row in await session.execute(text("select id from users"))]
                assert rows == [(person,)]
                answered += 1
            except DatabaseUnavailableError:
                refused += 1

    asking = [asyncio.create_task(ask(n)) for n in range(8)]
    with connect(own.url) as killer:
        for _ in range(40):
            await asyncio.sleep(random.random() / 50)
            killer.execute("""
                select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and usename = 'goalspace_login' order by random() limit 1""")
    stop.set()
    await asyncio.gather(*asking)
    assert answered > 100
    for person in people:
        assert await database.fetch(learner(person), "select id from users") == [(person,)]


async def fetch_slowly(database: Database) -> None:
    await database.fetch(ANONYMOUS, "select pg_sleep(4)")


async def execute_slowly(database: Database) -> None:
    async with database.transaction(ANONYMOUS) as connection:
        await connection.execute(text("select pg_sleep(4)"))


async def running(watch: psycopg.Connection[object], query: str) -> None:
    await until(watch, True, "active", query)


async def gone(watch: psycopg.Connection[object], state: str, query: str = "") -> None:
    await until(watch, False, state, query)


async def until(watch: psycopg.Connection[object], there: bool, state: str, query: str) -> None:
    """Until clients of this database do such a thing, or none does."""
    statement = """
        select count(*) > 0 from pg_stat_activity where datname = current_database() and usename = 'goalspace_login'
        and state = %s and query like %s"""
    async with asyncio.timeout(10):
        while watch.execute(statement, (state, f"%{query}%")).fetchone() != (there,):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
