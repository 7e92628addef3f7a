"""Alive and ready: cheap, honest, and back again by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from assistant import health
from assistant.db import migrate
from assistant.db.setup import Server, connect
from assistant.errors import UnavailableError
from assistant.health import Readiness
from tests.fixtures.api import Caller
from tests.fixtures.http import LiveService


@pytest.fixture
async def readiness(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Readiness]:
    monkeypatch.setattr(health, "REUSE_SECONDS", 0)
    found = Readiness(server.logins.jobs_url)
    yield found
    await found.aclose()


async def checks_of(readiness: Readiness) -> dict[str, bool]:
    try:
        return (await readiness.check()).checks
    except UnavailableError as error:
        found: dict[str, bool] = error.extra["checks"]
        assert not all(found.values())
        return found


WELL = {"accepting": True, "database": True, "migrations": True, "partitions": True}


async def test_the_service_says_that_it_is_there(anybody: Caller) -> None:
    live, ready = await anybody.get("/health/live"), await anybody.get("/health/ready")
    assert (live.status_code, live.json()["status"]) == (200, "live")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": WELL})


async def test_a_busy_pool_is_no_reason_to_be_not_ready(api: LiveService, anybody: Caller) -> None:
    services = api.app.state.services
    async with asyncio.TaskGroup() as group:
        release, held, waiting = asyncio.Event(), asyncio.Event(), api.settings.pool_size

        async def hold() -> None:
            async with services.database.service("maintain") as connection:
                nonlocal waiting
                await connection.execute(text("select 1"))
                waiting -= 1
                if not waiting:
                    held.set()
                await release.wait()

        for _ in range(api.settings.pool_size):
            group.create_task(hold())
        await held.wait()
        answer = await anybody.get("/health/ready")
        release.set()
    assert answer.status_code == 200


async def test_an_older_schema_is_not_ready(readiness: Readiness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await checks_of(readiness) == WELL
    monkeypatch.setattr(migrate, "head", lambda: "29990101_01")
    assert await checks_of(readiness) == WELL | {"migrations": False}


async def test_who_is_overtaken_by_an_upgrade_goes_on(readiness: Readiness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "head", lambda: "20261124_01")
    assert await checks_of(readiness) == WELL


async def test_a_missing_partition_is_not_ready(readiness: Readiness, server: Server) -> None:
    with connect(server.url) as connection:
        row = connection.execute(
            "select 'usage_logs' || to_char(now() at time zone 'UTC' + interval '1 month', '_YYYY_MM')"
        ).fetchone()
        assert row is not None
        connection.execute(f"alter table partitions.{row[0]} rename to elsewhere")  # type: ignore[index]
        try:
            assert await checks_of(readiness) == WELL | {"partitions": False}
        finally:
            connection.execute(f"alter table partitions.elsewhere rename to {row[0]}")  # type: ignore[index]
        assert await checks_of(readiness) == WELL


async def test_a_database_that_is_gone_is_not_ready_and_comes_back(readiness: Readiness, server: Server) -> None:
    assert await checks_of(readiness) == WELL
    with connect(server.url) as connection:
        connection.execute("alter role goalspace_jobs nologin")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'goalspace health'"
        )
        try:
            for _ in range(2):
                assert await checks_of(readiness) == WELL | {
                    "database": False,
                    "migrations": False,
                    "partitions": False,
                }
        finally:
            connection.execute("alter role goalspace_jobs login")
    assert await checks_of(readiness) == WELL


async def test_a_database_that_does_not_answer_is_not_waited_for(
    readiness: Readiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(health, "_STATE", text("select pg_sleep(30)"))
    assert not (await checks_of(readiness))["database"]


async def test_a_process_that_is_about_to_end_takes_no_more(readiness: Readiness) -> None:
    readiness.draining = True
    assert await checks_of(readiness) == WELL | {"accepting": False}


async def test_however_often_somebody_asks_the_database_is_asked_once(server: Server) -> None:
    readiness = Readiness(server.logins.jobs_url)
    asked = 0
    look = readiness._look

    async def count() -> dict[str, bool]:
        nonlocal asked
        asked += 1
        return await look()

    readiness._look = count  # type: ignore[method-assign]
    await asyncio.gather(*(readiness.check() for _ in range(50)))
    await readiness.aclose()
    assert asked == 1
