"""As whom a transaction runs: always somebody, always the right one, and nobody afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from assistant.db.engine import create_engine
from assistant.db.errors import DatabaseUnavailableError, DuplicateError, UnknownReferenceError, translate
from assistant.db.identity import ANONYMOUS, MissingIdentityError, acting_as, current_principal, learner, service
from assistant.db.rows import delete_row, get_row, insert_row, update_row
from assistant.db.session import CLIENT_ROLES, Database
from assistant.db.setup import Server
from assistant.errors import ForbiddenError, InvalidError, NotFoundError
from assistant.goals.models import Goal
from assistant.spaces.models import Space
from tests.fixtures.database import MakePerson, join_space

WHO = text("select current_user::text, auth.uid(), (select count(*) from goals)")


@pytest.fixture
async def narrow(server: Server) -> AsyncIterator[Database]:
    """One connection for everybody: what one leaves behind, the next would get."""
    async with Database(server.logins.login_url, server.logins.jobs_url, pool_size=1) as database:
        yield database


async def test_two_people_a_thousand_times_on_one_connection(narrow: Database, make_person: MakePerson) -> None:
    """With errors, time-outs and cancellations at any point in between."""
    people = [await make_person(), await make_person()]
    chance = random.Random(7)

    async def disturb(connection: AsyncConnection | AsyncSession) -> None:
        match chance.randrange(5):
            case 0:
                await connection.execute(text("select 1 / 0"))
            case 1:
                await connection.execute(text("set local statement_timeout = 1"))
                await connection.execute(text("select pg_sleep(1)"))
            case 2:
                await connection.execute(text("reset role"))
            case 3:
                raise KeyError("a bug of ours")
            case 4:
                await connection.execute(text("select pg_sleep(10)"))

    for turn in range(1000):
        person = people[turn % 2]
        opening: Any = narrow.session if turn % 3 else narrow.transaction
        async with opening(person.principal) as connection:
            found = (await connection.execute(WHO)).one()
        assert tuple(found) == ("authenticated", person.id, 1)
        if turn % 10 == 0:
            with suppress(Exception):
                async with asyncio.timeout(0.05), opening(person.principal) as connection:
                    await disturb(connection)
        assert narrow.clients.pool.checkedout() == 0  # type: ignore[attr-defined]  # of a queue
    assert current_principal() is None


async def test_a_connection_that_comes_back_is_nobodys(narrow: Database, make_person: MakePerson) -> None:
    person = await make_person()
    async with narrow.session(person.principal) as session:
        await session.execute(WHO)
    async with narrow.clients.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        row = await (
            await driver.execute("select current_user::text, current_setting('request.jwt.claims', true)")
        ).fetchone()
        await driver.rollback()
    assert row in {("goalspace_login", ""), ("goalspace_login", None)}


async def test_a_transaction_without_anybody_is_stopped_before_its_first_statement(narrow: Database) -> None:
    with pytest.raises(MissingIdentityError):
        async with narrow.clients.begin():
            pytest.fail("it began")
    async with AsyncSession(narrow.clients) as session:
        with pytest.raises(MissingIdentityError):
            await session.execute(select(Goal))


@pytest.mark.parametrize("wrong", [service("maintain"), learner(uuid4()), ANONYMOUS])
async def test_each_login_serves_its_own_roles(wrong: Any, server: Server) -> None:
    url = server.logins.login_url if wrong.role == "service_role" else server.logins.jobs_url
    roles: Any = CLIENT_ROLES if wrong.role == "service_role" else ("service_role",)
    engine = create_engine(url, roles=roles, pool_size=1, application="test")
    with acting_as(wrong), pytest.raises(MissingIdentityError):
        async with engine.begin():
            pytest.fail("it began")
    await engine.dispose()


async def test_the_login_could_not_become_the_service_anyhow(server: Server) -> None:
    everything: Any = ("anon", "authenticated", "service_role")
    engine = create_engine(server.logins.login_url, roles=everything, pool_size=1, application="test")
    with acting_as(service("maintain")), pytest.raises(Exception, match="permission denied to set role"):
        async with engine.begin():
            pytest.fail("it began")
    await engine.dispose()


async def test_a_session_is_its_principals_whichever_task_uses_it(database: Database, make_person: MakePerson) -> None:
    one, two = await make_person(), await make_person()
    async with database.session(one.principal) as session:
        with acting_as(two.principal):
            found = await asyncio.create_task(_goals(session))
    assert found == [one.goal_id]


async def _goals(session: AsyncSession) -> list[UUID]:
    return list((await session.scalars(select(Goal.id))).all())


async def test_a_task_inherits_no_session(database: Database, make_person: MakePerson) -> None:
    """A session names its principal itself: a task that was begun inside it has none."""
    person = await make_person()
    async with database.session(person.principal) as session:
        await session.execute(WHO)
        assert current_principal() is None

        async def another() -> None:
            async with database.clients.begin():
                pytest.fail("it began")

        with pytest.raises(MissingIdentityError):
            await asyncio.create_task(another())


async def test_what_fails_leaves_nothing_and_what_ends_well_stays(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    with suppress(KeyError):
        async with database.session(person.principal) as session:
            await insert_row(session, Goal, {"user_id": person.id, "title": "Lost"})
            raise KeyError
    async with database.session(person.principal) as session:
        await insert_row(session, Goal, {"user_id": person.id, "title": "Kept"})
    async with database.session(person.principal) as session:
        titles = (await session.scalars(select(Goal.title).order_by(Goal.title))).all()
    assert titles == ["Kept", "Learn to sail"]


# --- one row at a time ------------------------------------------------------------------------------------------------


async def test_a_row_is_got_changed_and_deleted_by_whom_it_is_for(database: Database, make_person: MakePerson) -> None:
    owner, guest, stranger = await make_person(visibility="shared"), await make_person(), await make_person()
    await join_space(database, owner.space_id, guest.id, "viewer")
    for principal, error in ((stranger.principal, NotFoundError), (guest.principal, ForbiddenError)):
        for attempt in (
            lambda session: update_row(session, Space, owner.space_id, {"title": "x"}, "space"),
            lambda session: update_row(session, Space, owner.space_id, {}, "space"),
            lambda session: delete_row(session, Space, owner.space_id, "space"),
        ):
            with pytest.raises(error):
                async with database.session(principal) as session:
                    await attempt(session)
    async with database.session(owner.principal) as session:
        before = await get_row(session, Space, owner.space_id, "space")
        assert (await update_row(session, Space, owner.space_id, {}, "space")) is before
        after = await update_row(session, Space, owner.space_id, {"title": "New"}, "space")
        assert (after.title, before.title) == ("New", "New")  # the session's one object of that row
        await delete_row(session, Space, owner.space_id, "space")
        with pytest.raises(NotFoundError):
            await get_row(session, Space, owner.space_id, "space")


async def test_refusals_of_the_database_come_in_terms_of_the_domain(
    database: Database, make_person: MakePerson
) -> None:
    person, other = await make_person(), await make_person()

    async def insert(model: Any, **values: Any) -> None:
        async with database.session(person.principal) as session:
            await insert_row(session, model, values)

    with pytest.raises(DuplicateError) as duplicate:
        await insert(Goal, user_id=person.id, title="Learn to sail")
    assert duplicate.value.constraint == "goals_user_id_title_key"
    with pytest.raises(ForbiddenError):
        await insert(Goal, user_id=other.id, title="Yours")
    with pytest.raises(UnknownReferenceError) as foreign:
        await insert(Space, user_id=person.id, goal_id=other.goal_id, title="S")
    with pytest.raises(UnknownReferenceError) as missing:
        await insert(Space, user_id=person.id, goal_id=uuid4(), title="S")
    assert foreign.value.detail == missing.value.detail
    with pytest.raises(InvalidError) as invalid:
        await insert(Goal, user_id=person.id, title="Old", due_date=datetime(1000, 1, 1, tzinfo=UTC))
    assert invalid.value.extra["errors"][0]["path"] == "due_date"
    with pytest.raises(InvalidError) as null:
        await insert(Goal, user_id=person.id, title=None)
    assert null.value.extra["errors"][0]["path"] == "title"


async def test_a_busy_pool_says_so_after_a_moment(narrow: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow.clients.pool, "_timeout", 0.05)
    async with narrow.transaction(ANONYMOUS) as connection:
        await connection.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailableError):
            async with narrow.transaction(ANONYMOUS):
                pytest.fail("there was another one")


async def test_a_statement_that_takes_too_long_is_unavailable(database: Database) -> None:
    async with database.transaction(ANONYMOUS) as connection:
        await connection.execute(text("set local statement_timeout = 20"))
        with pytest.raises(DBAPIError) as refusal:
            await connection.execute(text("select pg_sleep(5)"))
    assert isinstance(translate(refusal.value.orig), DatabaseUnavailableError)
