"""A streaming replica takes the reads that may be late, as the same people, and never more than that."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from assistant.app import create_app
from assistant.db import replica as replicas
from assistant.db.embedded import EmbeddedServer
from assistant.db.errors import DatabaseUnavailableError
from assistant.db.filelock import wait_until
from assistant.db.identity import MissingIdentityError, Principal, learner, service
from assistant.db.session import Database
from assistant.db.setup import Server, open_server
from tests.db.replicas import Standby, open_primary, standby_of
from tests.fixtures.database import make_settings, make_user
from tests.fixtures.http import serve_app
from tests.fixtures.processes import database_processes

WHERE = text("select current_setting('cluster_name') = 'standby'")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the primary lies."""
    return tmp_path_factory.mktemp("primary")


@pytest.fixture(scope="module")
def primary(place: Path) -> Iterator[EmbeddedServer]:
    with open_primary(place) as cluster:
        yield cluster


@pytest.fixture(scope="module")
async def migrated(primary: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A data directory with the logins of the primary."""
    folder = tmp_path_factory.mktemp("data")
    async with await open_server(make_settings(folder, DATABASE_URL=primary.url), upgrade=True):
        yield folder


@pytest.fixture(scope="module")
def standby(primary: EmbeddedServer, place: Path, migrated: Path) -> Iterator[Standby]:
    with standby_of(primary, place) as made:
        yield made


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are asked each time."""
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(replicas, "AWAY_SECONDS", 0.0)


@asynccontextmanager
async def opened(primary: EmbeddedServer, migrated: Path, replica: str, **more: object) -> AsyncIterator[Database]:
    settings = make_settings(migrated, DATABASE_URL=primary.url, replica_url=replica, **more)
    async with await open_server(settings) as server, server.open() as database:
        yield database


async def is_on_replica(database: Database, principal: Principal) -> bool:
    async with database.analytics(principal) as session:
        return bool(await session.scalar(WHERE))


async def test_it_is_asked_as_the_same_people(primary: EmbeddedServer, migrated: Path, standby: Standby) -> None:
    async with opened(primary, migrated, standby.url()) as database:
        people = [learner((await make_user(database))[0]) for _ in range(2)]
        standby.follows()
        for _ in range(10):
            for person in people:
                async with database.analytics(person) as session:
                    found: Any = (
                        await session.execute(text("select id, current_user, pg_is_in_recovery() from users"))
                    ).all()
                assert [tuple(row) for row in found] == [(person.user_id, "authenticated", True)]
        with pytest.raises(MissingIdentityError):
            async with database.analytics(service("maintain")):
                pass


async def test_nothing_can_be_written(primary: EmbeddedServer, migrated: Path, standby: Standby) -> None:
    async with opened(primary, migrated, standby.url()) as database:
        user, _ = await make_user(database)
        standby.follows()
        with pytest.raises(DatabaseUnavailableError, match="takes no changes"):
            async with database.analytics(learner(user)) as session:
                await session.execute(text("update users set full_name = 'x'"))


async def test_one_that_is_behind_is_not_asked(primary: EmbeddedServer, migrated: Path, standby: Standby) -> None:
    async with opened(primary, migrated, standby.url(), replica_lag_seconds=0) as database:
        user, _ = await make_user(database)
        standby.follows()
        assert await is_on_replica(database, learner(user))
        standby.execute("select pg_wal_replay_pause()")
        await make_user(database)
        assert not await is_on_replica(database, learner(user))
        standby.execute("select pg_wal_replay_resume()")
        standby.follows()
        assert await is_on_replica(database, learner(user))


async def test_within_the_allowed_lag_it_is_asked(primary: EmbeddedServer, migrated: Path, standby: Standby) -> None:
    async with opened(primary, migrated, standby.url(), replica_lag_seconds=600) as database:
        user, _ = await make_user(database)
        standby.follows()
        standby.execute("select pg_wal_replay_pause()")
        await make_user(database)
        assert await is_on_replica(database, learner(user))
        standby.execute("select pg_wal_replay_resume()")


async def test_one_that_is_away_costs_nothing_but_the_primary(
    primary: EmbeddedServer, migrated: Path, standby: Standby
) -> None:
    async with opened(primary, migrated, standby.url()) as database:
        user, _ = await make_user(database)
        standby.follows()
        assert await is_on_replica(database, learner(user))
        standby.stop()
        for _ in range(3):
            assert not await is_on_replica(database, learner(user))
        standby.start()
        standby.follows()
        assert await is_on_replica(database, learner(user))
    async with opened(primary, migrated, "postgresql://nobody@127.0.0.1:1/none") as database:
        assert not await is_on_replica(database, learner(user))


async def test_without_one_the_primary_answers(server: Server, database: Database) -> None:
    user: UUID = (await make_user(database))[0]
    assert not await is_on_replica(database, learner(user))


async def test_the_service_reads_usage_there(primary: EmbeddedServer, migrated: Path, standby: Standby) -> None:
    settings = make_settings(migrated, DATABASE_URL=primary.url, replica_url=standby.url(), replica_lag_seconds=3600)
    async with serve_app(create_app(settings), settings) as running:
        database: Database = running.app.state.services.database
        user, email = await make_user(database)
        standby.follows()
        standby.execute("select pg_wal_replay_pause()")
        async with database.service("settle_usage") as connection:
            await connection.exec_driver_sql(
                "insert into usage_logs (user_id, resource_type, action, tokens_used) values (%s, 'chat', 'turn', 5)",
                (user,),
            )
        async with running.client(running.token(user, email)) as http:
            assert (await http.get("/api/me/usage")).json()["tokens_used"] == 0
            standby.execute("select pg_wal_replay_resume()")
            standby.follows()
            assert (await http.get("/api/me/usage")).json()["tokens_used"] == 5


async def test_after_a_promotion_it_is_no_replica_but_may_be_the_primary(
    primary: EmbeddedServer, place: Path, migrated: Path, standby: Standby
) -> None:
    """The last test here: the primary is killed, and the standby follows nobody afterwards."""
    hosts = f"{primary.socket_dir},{standby.folder}"
    both = make_url(primary.url).set(query={"host": hosts, "target_session_attrs": "read-write"})
    url = both.render_as_string(hide_password=False)
    settings = make_settings(migrated, DATABASE_URL=url, replica_url=standby.url())
    async with await open_server(settings) as server, server.open() as database:
        person = learner((await make_user(database))[0])
        standby.follows()
        assert await is_on_replica(database, person)
        standby.promote()
        assert wait_until(lambda: not standby.execute("select pg_is_in_recovery()"), 20)
        assert not await is_on_replica(database, person)

        for process in database_processes(place):
            process.kill()
        async with asyncio.timeout(20):
            while True:
                with suppress(DatabaseUnavailableError):
                    await make_user(database)
                    break
        rows = await database.fetch(person, "select current_setting('cluster_name'), count(*) from users")
        assert rows == [("standby", 1)]
