"""Workers take jobs from the queue until they are stopped, and take over those of workers that are gone."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from assistant import worker as worker_module
from assistant.chat.tending import Tender, tend_later
from assistant.db.engine import libpq_url
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.llm.embeddings import Embedder
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.offline import OfflineModel
from assistant.mentor.summaries import Summariser
from assistant.mentor.titles import Titles
from assistant.resources import resource_dir
from assistant.worker import Worker
from tests.fixtures.database import Person
from tests.fixtures.threads import plant_conversation
from tests.knowledge.conftest import *  # noqa: F403 - its fixtures: a database without other workers
from tests.knowledge.conftest import Learner, MakeLearner, WordVectors, rows, service_rows, write


async def ready(database: Database, *documents: UUID) -> None:
    """Returns when all of them are indexed."""
    statement = "select count(*) from assistant.document_indexing where document_id = any (%s) and status = 'ready'"
    async with asyncio.timeout(30):
        while True:
            if await service_rows(database, statement, list(documents)) == [(len(documents),)]:
                return
            await asyncio.sleep(0.02)


async def test_what_is_written_is_indexed_without_being_asked_for(
    quiet_server: Server, quiet: Database, embedder: Embedder, ada: Learner
) -> None:
    before = await write(quiet, ada, "Before", "The bowline holds.")
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, before)
        await ready(quiet, await write(quiet, ada, "After", "The hitch slips."))
    left = await service_rows(quiet, "select from jobs.procrastinate_jobs where lock = %s", str(ada.space))
    assert left == []


async def test_one_full_space_does_not_hold_up_another(
    quiet_server: Server, quiet: Database, embedder: Embedder, vectors: WordVectors, ada: Learner, bob: Learner
) -> None:
    for number in range(40):
        await write(quiet, ada, f"Doc {number}", "The bowline holds.")
    vectors.gate = asyncio.Event()
    async with Worker(quiet_server, quiet, embedder):
        await vectors.reached.wait()  # one worker is busy with the full space
        small = await write(quiet, bob, "Only one", "The hitch slips.")
        await asyncio.sleep(0)
        vectors.gate.set()
        await ready(quiet, small)


async def test_a_stopped_worker_leaves_nothing_half_done(
    quiet_server: Server,
    quiet: Database,
    embedder: Embedder,
    vectors: WordVectors,
    ada: Learner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "GRACE_SECONDS", 0.1)
    document = await write(quiet, ada, "Slow", "The bowline holds.")
    vectors.gate = asyncio.Event()
    async with Worker(quiet_server, quiet, embedder):
        await vectors.reached.wait()
    [(status, queued)] = await service_rows(
        quiet,
        "select i.status, (select count(*) from jobs.procrastinate_jobs j where j.lock = i.space_id::text"
        " and j.status = 'todo') from assistant.document_indexing i where document_id = %s",
        document,
    )
    assert (status, queued) == ("queued", 1)
    vectors.gate.set()
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, document)


@pytest.mark.parametrize("another_waits", [False, True])
async def test_jobs_of_a_worker_that_is_gone_are_taken_over(
    another_waits: bool, quiet_server: Server, quiet: Database, embedder: Embedder, ada: Learner
) -> None:
    document = await write(quiet, ada, "Left", "The bowline holds.")
    await service_rows(
        quiet,
        "with gone as (insert into jobs.procrastinate_workers (last_heartbeat) values (now() - interval '5 minutes')"
        " returning id) update jobs.procrastinate_jobs set status = 'doing', worker_id = (select id from gone)"
        " where lock = %s",
        str(ada.space),
    )
    if another_waits:
        await write(quiet, ada, "Right", "The hitch slips.")
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, document)


async def test_a_worker_survives_the_loss_of_its_connections(
    quiet_server: Server, quiet: Database, embedder: Embedder, ada: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RESTART_SECONDS", 0.05)
    monkeypatch.setattr(worker_module, "HEARTBEAT_SECONDS", 0.1)  # the end of a job may be lost as well
    address = libpq_url(quiet_server.url)
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, await write(quiet, ada, "Before", "The bowline holds."))
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'goalspace queue'"
            )
        await ready(quiet, await write(quiet, ada, "After", "The hitch slips."))


async def test_a_job_whose_end_could_not_be_written_holds_nobody_up(
    quiet_server: Server,
    quiet: Database,
    embedder: Embedder,
    vectors: WordVectors,
    ada: Learner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its worker lives on, and would be thought to be at it for ever."""
    monkeypatch.setattr(worker_module, "HEARTBEAT_SECONDS", 0.1)
    finish = JobManager.finish_job
    lost: list[Job] = []

    async def finish_or_lose(manager: JobManager, job: Job, *args: Any, **kwargs: Any) -> None:
        if not lost:
            lost.append(job)
            raise ConnectorException
        await finish(manager, job, *args, **kwargs)

    monkeypatch.setattr(JobManager, "finish_job", finish_or_lose)
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, await write(quiet, ada, "Before", "The bowline holds."))
        await ready(quiet, await write(quiet, ada, "After", "The hitch slips."))
    assert len(lost) == 1


async def test_two_workers_share_the_spaces(
    quiet_server: Server, quiet: Database, embedder: Embedder, vectors: WordVectors, make_learner: MakeLearner
) -> None:
    people = [await make_learner() for _ in range(6)]
    documents = [await write(quiet, who, f"Doc {n}", f"Text {n} of {who.id}.") for who in people for n in range(5)]
    async with Worker(quiet_server, quiet, embedder), Worker(quiet_server, quiet, embedder):
        await ready(quiet, *documents)
    assert len(vectors.embedded) == len(documents)
    for who in people:
        assert await rows(quiet, who.principal, "select count(*) from document_embeddings") == [(5,)]


async def test_a_space_that_lost_its_job_gets_a_new_one(
    quiet_server: Server, quiet: Database, embedder: Embedder, ada: Learner
) -> None:
    document = await write(quiet, ada, "Forgotten", "The bowline holds.")
    await service_rows(quiet, "delete from jobs.procrastinate_jobs where lock = %s", str(ada.space))
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, document)


async def test_the_services_worker_renews_what_another_model_embedded(
    quiet_server: Server, quiet: Database, embedder: Embedder, vectors: WordVectors, ada: Learner
) -> None:
    document = await write(quiet, ada, "Old", "The bowline holds.")
    models = "select model from document_embeddings where document_id = %s"
    async with Worker(quiet_server, quiet, embedder):
        await ready(quiet, document)
    newer = Embedder("test/newer", 384, None, vectors)
    async with Worker(quiet_server, quiet, newer):
        await ready(quiet, await write(quiet, ada, "New", "The hitch slips."))
    assert await service_rows(quiet, models, document) == [("test/words",)]
    async with Worker(quiet_server, quiet, newer, renews=True), asyncio.timeout(30):
        while True:
            if await service_rows(quiet, models, document) == [("test/newer",)]:
                break
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 5, 8, 12, 15, 20, 30, 50])
async def test_a_worker_that_is_stopped_while_it_starts_stops(
    milliseconds: int, quiet_server: Server, quiet: Database, embedder: Embedder
) -> None:
    worker = Worker(quiet_server, quiet, embedder)
    worker.start()
    await asyncio.sleep(milliseconds / 1000)
    async with asyncio.timeout(30):
        await worker.stop()


async def test_a_worker_can_be_started_again(quiet_server: Server, quiet: Database, embedder: Embedder) -> None:
    worker = Worker(quiet_server, quiet, embedder)
    for _ in range(2):
        async with asyncio.timeout(30), worker:
            pass


async def test_a_thread_is_tended_once_however_often_that_was_asked(
    quiet_server: Server, quiet: Database, embedder: Embedder, ada: Learner
) -> None:
    person = Person(ada.id, "", ada.id, ada.space, ada.principal)
    [run] = await plant_conversation(quiet, person, [("What is a knot?", "A loop.")])
    for _ in range(3):
        await tend_later(quiet, run)
    jobs = "select from jobs.procrastinate_jobs where task_name = 'tend_thread' and args ->> 'run_id' = %s"
    assert len(await service_rows(quiet, jobs, str(run))) == 1
    prompts = PromptLibrary(resource_dir("prompts"))
    model = OfflineModel()
    tender = Tender(quiet, Summariser(model, prompts, ""), Titles(model, prompts, ""))
    async with Worker(quiet_server, quiet, embedder, tender=tender):
        for _ in range(1_000):
            if not await service_rows(quiet, jobs, str(run)):
                break
            await asyncio.sleep(0.02)
    assert await rows(quiet, ada.principal, "select made_title from assistant.threads") == [("What is a knot?",)]
