"""Frequent statements: one transaction, one round trip, the caller's identity, nothing left behind."""

import asyncio
from uuid import uuid4

import pytest

from assistant.db.errors import DatabaseUnavailableError
from assistant.db.identity import ANONYMOUS, MissingIdentityError, learner, service
from assistant.db.roundtrip import numbered
from assistant.db.session import CLIENT_ROLES, Database
from assistant.db.setup import Server, connect
from assistant.db.statements import StatementPool
from assistant.errors import ForbiddenError, InvalidError
from assistant.spaces.lists import TASKS
from tests.fixtures.database import MakePerson

WHO = "select current_user::text, auth.uid()"


async def test_a_statement_runs_as_its_caller(database: Database, make_person: MakePerson) -> None:
    one, two = await make_person(), await make_person()
    for person in (one, two, one):
        assert await database.fetch(person.principal, WHO) == [("authenticated", person.id)]
        assert await database.fetch(person.principal, "select id from goals") == [(person.goal_id,)]
    assert await database.fetch(ANONYMOUS, WHO) == [("anon", None)]
    assert await database.fetch_as_service("maintain", WHO) == [("service_role", None)]


async def test_alternating_callers_never_meet(server: Server) -> None:
    """Over one connection, with errors and cancellations in between."""
    pool = StatementPool(server.logins.login_url, roles=CLIENT_ROLES, size=1, application="test")
    await pool.open()
    people = [learner(uuid4()) for _ in range(3)]
    for turn in range(200):
        person = people[turn % 3]
        if turn % 7 == 0:
            with pytest.raises(InvalidError):
                await pool.run(person, [("select 'x'::uuid", ())])
        if turn % 11 == 0:
            task = asyncio.create_task(pool.run(person, [("select pg_sleep(0.01)", ())]))
            await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await pool.run(person, [(WHO, ())]) == [[("authenticated", person.user_id)]]
    await pool.close()


async def test_nothing_of_an_identity_stays_with_the_connection(server: Server) -> None:
    pool = StatementPool(server.logins.login_url, roles=CLIENT_ROLES, size=1, application="test")
    await pool.open()
    await pool.run(learner(uuid4()), [(WHO, ())])
    async with pool._pool.connection() as connection:
        cursor = await connection.execute("select current_user::text, current_setting('request.jwt.claims', true)")
        assert await cursor.fetchone() == ("goalspace_login", "")
    await pool.close()


async def test_statements_of_one_call_are_one_transaction(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    rename = ("update goals set title = 'Renamed' where id = %s", (person.goal_id,))
    with pytest.raises(InvalidError):
        await database.fetch_each(person.principal, rename, ("update goals set title = ''", ()))
    assert await database.fetch(person.principal, "select title from goals") == [("Learn to sail",)]
    _, rows = await database.fetch_each(person.principal, rename, ("select title from goals", ()))
    assert rows == [("Renamed",)]


async def test_a_pool_serves_its_roles_only(database: Database) -> None:
    with pytest.raises(MissingIdentityError):
        await database.fetch(service("maintain"), WHO)
    with pytest.raises(ForbiddenError):
        await database.fetch(learner(uuid4()), "select * from assistant.local_accounts")


async def test_dead_connections_are_replaced(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    await asyncio.gather(*(database.fetch(person.principal, "select pg_sleep(0.01)") for _ in range(4)))
    pids = await asyncio.gather(*(database.fetch(person.principal, "select pg_backend_pid()") for _ in range(4)))
    for pid in {rows[0][0] for rows in pids}:
        # A backend may end another one of its own login.
        async with database.clients.connect() as raw:
            driver = (await raw.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute("select pg_terminate_backend(%s)", (pid,))
            await driver.rollback()
    for _ in range(6):
        assert await database.fetch(person.principal, WHO) == [("authenticated", person.id)]


async def test_a_column_that_changes_its_type_is_read_as_it_is(database: Database, server: Server) -> None:
    with connect(server.url) as admin:
        admin.execute("create table public.shifting (n int)")
        admin.execute("grant select on public.shifting to anon")
        admin.execute("insert into public.shifting values (1)")
        try:
            for _ in range(8):
                assert await database.fetch(ANONYMOUS, "select * from shifting") == [(1,)]
            admin.execute("alter table public.shifting alter n type text")
            assert await database.fetch(ANONYMOUS, "select * from shifting") == [("1",)]
        finally:
            admin.execute("drop table public.shifting")


async def test_a_busy_pool_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.db.statements.POOL_WAIT_SECONDS", 0.05)
    pool = StatementPool(server.logins.login_url, roles=CLIENT_ROLES, size=1, application="test")
    await pool.open()
    person = learner(uuid4())
    sleeping = asyncio.create_task(pool.run(person, [("select pg_sleep(0.5)", ())]))
    await asyncio.sleep(0.1)
    with pytest.raises(DatabaseUnavailableError) as refused:
        await pool.run(person, [(WHO, ())])
    assert "busy" in refused.value.detail
    await sleeping
    await pool.close()


async def test_a_server_that_is_away_is_unavailable() -> None:
    pool = StatementPool("postgresql://nobody@127.0.0.1:9/none", roles=CLIENT_ROLES, size=1, application="test")
    pool._pool.timeout = 0.1
    await pool.open()
    with pytest.raises(DatabaseUnavailableError):
        await pool.run(ANONYMOUS, [(WHO, ())])
    await pool.close()


async def test_a_list_is_planned_once(server: Server, make_person: MakePerson) -> None:
    """However often it is read: the server would plan one anew each time whose limit it cannot know."""
    person = await make_person()
    pool = StatementPool(server.logins.login_url, roles=CLIENT_ROLES, size=1, application="test")
    await pool.open()
    statement = TASKS.statement(("space_id",), "created", resumed=False)
    for _ in range(10):
        await pool.run(person.principal, [(statement, {"space_id": person.space_id, "limit": 51})])
    plans = "select generic_plans, custom_plans from pg_prepared_statements where statement = %s"
    listed = numbered(statement)[0].decode()
    assert await pool.run(person.principal, [(plans, (listed,))]) == [[(10, 0)]]
    await pool.close()
