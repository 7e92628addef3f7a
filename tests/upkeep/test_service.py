"""The upkeep as a whole: what each step tells, what happens when one fails, what workers do of it by themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import pytest
from prometheus_client import CollectorRegistry

from assistant import worker as worker_module
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.llm.embeddings import Embedder
from assistant.queue import build_queue
from assistant.upkeep import service as module
from assistant.upkeep import steps
from assistant.upkeep.gauges import UpkeepGauges
from assistant.upkeep.jobs import register_upkeep
from assistant.upkeep.service import Upkeep
from assistant.upkeep.steps import STEPS, Hands, Policy, Step
from assistant.upkeep.sweeps import SWEEPS, sweep
from assistant.worker import Worker
from tests.knowledge.conftest import WordVectors
from tests.upkeep.conftest import Someone, history, maintained, noon, rows, say

TODAY = date(2028, 6, 15)


async def test_it_can_be_repeated_and_remembers_itself(own_server: Server, own: Database) -> None:
    await rows(own, "delete from assistant.upkeep")
    await maintained(own_server, own, TODAY)
    told = await maintained(own_server, own, TODAY)
    assert list(told) == [step.name for step in STEPS]
    assert told["partitions"] == "0 made, 3 months ahead"
    assert told["stray rows"] == "none"
    remembered = dict(await rows(own, "select step, outcome from assistant.upkeep where step <> 'space_summaries'"))
    assert remembered == told


async def test_a_step_that_fails_does_not_stop_the_others(
    own_server: Server, own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Hands) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "STEPS", (Step("broken", fail), *STEPS))
    outcomes = [one async for one in Upkeep(own_server, own, Policy()).do_all(TODAY)]
    assert [one.step for one in outcomes if one.failed] == ["broken"]
    assert outcomes[0].told == "failed: the log says why"
    assert len(outcomes) == len(STEPS) + 1


async def test_two_at_once_do_it_once(own_server: Server, own: Database, ada: Someone) -> None:
    await say(own, ada, noon(2027, 3))
    told = await asyncio.gather(*(maintained(own_server, own, date(2027, 3, 15)) for _ in range(2)))
    assert sum("2027-03" in one["stray rows"] and "moved 1 of" in one["stray rows"] for one in told) == 1
    assert len(await history(own, ada)) == 1


@pytest.mark.parametrize("kind", SWEEPS, ids=lambda kind: kind.what)
async def test_every_kind_of_leftover_can_be_cleared_again_and_again(own: Database, kind: object) -> None:
    assert isinstance(kind, type(SWEEPS[0]))
    assert await sweep(own, kind) >= 0
    assert await sweep(own, kind) == 0


async def test_only_billing_events_of_long_ago_go(own: Database) -> None:
    await rows(
        own,
        "insert into assistant.billing_events (id, received_at)"
        " values ('old', now() - interval '91 days'), ('new', now())",
    )
    [kind] = [kind for kind in SWEEPS if kind.what == "billing events"]
    assert await sweep(own, kind) == 1
    assert await rows(own, "select id from assistant.billing_events") == [("new",)]
    await rows(own, "delete from assistant.billing_events")


async def test_more_leftovers_than_one_batch_go_all(own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.upkeep.sweeps.BATCH", 4)
    await rows(
        own,
        "insert into assistant.billing_events (id, received_at)"
        " select n::text, '2020-01-01' from generate_series(1, 9) n",
    )
    [kind] = [kind for kind in SWEEPS if kind.what == "billing events"]
    assert await sweep(own, kind) == 9


@pytest.mark.parametrize(
    ("today", "months", "first"),
    [
        (date(2028, 6, 15), 1, date(2028, 5, 1)),
        (date(2028, 1, 31), 1, date(2027, 12, 1)),
        (date(2028, 1, 1), 25, date(2025, 12, 1)),
        (date(2028, 2, 29), 12, date(2027, 2, 1)),
    ],
)
def test_the_first_month_that_is_kept(today: date, months: int, first: date) -> None:
    assert steps._first_kept(today, months) == first


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await condition():
            return
        await asyncio.sleep(0.02)


async def is_so(value: bool) -> bool:
    return value


async def is_gone(database: Database, what: str) -> bool:
    return await rows(database, f"select from {what}") == []


@pytest.fixture
def embedder() -> Embedder:
    return Embedder("test/words", 384, frozenset({"en"}), WordVectors())


async def test_a_service_makes_months_and_sees_strays_and_stale_summaries(
    own_server: Server, own: Database, ada: Someone, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "STRAYS_EVERY", 1)
    monkeypatch.setattr(worker_module, "register_upkeep", lambda _: None)  # what is seen here is not to be mended
    await rows(own, "update assistant.upkeep set finished_at = now() - interval '1 hour', seconds = 0")
    await say(own, ada, datetime(1999, 5, 1, tzinfo=UTC))
    upkeep = Upkeep(own_server, own, Policy())
    registry = CollectorRegistry()
    UpkeepGauges(registry).show(upkeep)

    def metric(name: str) -> float:
        return registry.get_sample_value(name) or 0.0

    async with Worker(own_server, own, embedder, upkeep=upkeep), asyncio.timeout(20):
        await until(lambda: is_so(metric("goalspace_default_partition_rows") == 1))
        await until(lambda: is_gone(own, "assistant.summary_changes"))
        await rows(own, "update tasks set status = 'completed'")
        await until(lambda: is_so(metric("goalspace_space_summaries_lag_seconds") > 0))  # a refresh was just now
    await maintained(own_server, own, TODAY)


async def test_the_job_of_the_hour_is_done_by_a_worker_of_the_service(
    own_server: Server, own: Database, embedder: Embedder
) -> None:
    """And by none that a command has started."""
    await rows(own, "delete from assistant.upkeep")
    queue = build_queue(own_server)
    register_upkeep(queue)
    async with queue.open_async():
        await queue.configure_task("upkeep", queue="upkeep", lock="upkeep", queueing_lock="upkeep").defer_async(
            timestamp=0
        )
    async with Worker(own_server, own, embedder):
        await asyncio.sleep(0)
    assert await rows(own, "select status::text from jobs.procrastinate_jobs where task_name = 'upkeep'") == [("todo",)]
    async with Worker(own_server, own, embedder, upkeep=Upkeep(own_server, own, Policy())), asyncio.timeout(20):
        await until(lambda: is_gone(own, "jobs.procrastinate_jobs where task_name = 'upkeep'"))
    done = await rows(own, "select step from assistant.upkeep where step <> 'space_summaries'")
    assert {step for (step,) in done} == {step.name for step in STEPS}


def test_it_is_scheduled_every_hour(own_server: Server) -> None:
    queue = build_queue(own_server)
    register_upkeep(queue)
    [task] = queue.periodic_registry.periodic_tasks.values()
    assert (task.task.name, task.cron, task.task.queueing_lock) == ("upkeep", "7 * * * *", "upkeep")


async def test_what_takes_minutes_has_them(own_server: Server, own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[str, ...]] = []

    async def look(hands: Hands) -> str:
        async with hands.transaction() as connection:
            found = await connection.exec_driver_sql(
                "select current_setting('statement_timeout'), current_setting('transaction_timeout', true)"
            )
            limits.append(tuple(found.one()))
        async with hands.transaction() as connection:
            row = await connection.exec_driver_sql("select current_user::text, current_setting('request.jwt.claims')")
            limits.append(tuple(row.one()))
        return ""

    monkeypatch.setattr(module, "STEPS", (Step("look", look),))
    assert [one.failed async for one in Upkeep(own_server, own, Policy()).do_all(TODAY)] == [False]
    assert limits[0] in (("30min", "0"), ("30min", None))  # PostgreSQL 17 has the second
    assert limits[1] == ("service_role", '{"role":"service_role","job":"maintain"}')
