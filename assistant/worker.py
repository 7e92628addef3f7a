"""The worker, wired: takes jobs from the queue, in the server's process or in one of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Self

import psycopg
import structlog
from procrastinate import App, JobContext
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker as QueueWorker

from assistant.chat.jobs import TENDER, THREADS, register_thread_jobs
from assistant.chat.tending import Tender
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.errors import UnavailableError
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.jobs import DOCUMENTS, INDEXER, register_jobs
from assistant.llm.embeddings import Embedder
from assistant.notices.postman import Postman
from assistant.queue import build_queue
from assistant.upkeep.jobs import UPKEEP, register_upkeep
from assistant.upkeep.service import Upkeep

log = structlog.get_logger(__name__)

CONCURRENCY: Final = 2
"""Jobs at a time. Those of one space never run together, so that a second space need not wait for a first one's."""

POLL_SECONDS: Final = 1.0
"""Between looks at the queue where no notification came: for jobs whose time or whose space's turn has come."""

HEARTBEAT_SECONDS: Final = 10.0
DEAD_AFTER_SECONDS: Final = 60.0
"""A worker that was silent for so long is gone; its jobs are taken over."""

GRACE_SECONDS: Final = 10.0
"""What a running job has when the worker is stopped, before it is cancelled and queued again."""

RESTART_SECONDS: Final = 2.0
"""After the queue's connection broke."""


class Worker:
    """Runs jobs from `start` to `stop`, also across a restart of the database.

    `renews`: what another embedding model or an older version of this package indexed is indexed again. `upkeep`: is
    watched over all the time, and done on schedule. `postman`: sends messages to people. `tender`: names and summarises
    conversations. All of it for the service, and not for a command that somebody runs with other settings beside it.
    """

    def __init__(
        self,
        server: Server,
        database: Database,
        embedder: Embedder,
        *,
        renews: bool = False,
        upkeep: Upkeep | None = None,
        postman: Postman | None = None,
        tender: Tender | None = None,
    ) -> None:
        self._server = server
        self._indexer = Indexer(database, embedder)
        self._renews = renews
        self._upkeep = upkeep
        self._postman = postman
        self._tender = tender
        self._running: set[int | None] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="worker")

    async def stop(self) -> None:
        """Wait for the running jobs, and after some seconds cancel them: another worker does them again.

        The task is asked to stop, not cancelled: while it opens its connections, a cancellation can get lost in a
        library, and the worker would go on.
        """
        if self._task is not None:
            self._stopping.set()
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            queue = build_queue(self._server)
            register_jobs(queue)
            if self._upkeep is not None:
                register_upkeep(queue)
            if self._tender is not None:
                register_thread_jobs(queue)
            try:
                async with queue.open_async():
                    if self._renews:
                        await self._indexer.queue_outdated()
                    await self._work(queue)
            except (ProcrastinateException, psycopg.Error, UnavailableError) as exc:
                log.warning("queue_unavailable", fault=type(exc).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RESTART_SECONDS)

    async def _work(self, queue: App) -> None:
        """Until the worker is to stop, or has lost its connection."""
        # One job at a time each: a worker with two would not look for the next job of a space when one is done,
        # only after POLL_SECONDS, since nobody notifies it that the space's lock is free.
        documents = [DOCUMENTS] if self._upkeep is None else [DOCUMENTS, UPKEEP]
        workers = [self._worker(queue, documents) for _ in range(CONCURRENCY)]
        if self._tender is not None:  # one more: a slow model must not hold up documents
            workers.append(self._worker(queue, [THREADS]))
        running = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]
        others = [
            asyncio.create_task(self._rescue(queue, workers), name="rescue"),
            asyncio.create_task(self._stopping.wait()),
        ]
        if self._upkeep is not None:
            others.append(asyncio.create_task(self._upkeep.watch(), name="upkeep"))
        if self._postman is not None:
            others.append(asyncio.create_task(self._postman.run(), name="postman"))
        try:
            await asyncio.wait([*running, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for worker in workers:
                worker.stop()  # type: ignore[no-untyped-call]
            for task in others:
                task.cancel()
            await asyncio.wait(running)
        for task in running:
            task.result()

    def _worker(self, queue: App, queues: list[str]) -> QueueWorker:
        return QueueWorker(
            queue,
            queues=queues,  # a job that is not known here would be lost
            concurrency=1,
            delete_jobs="always",  # what failed says so in the state of what it was for
            additional_context={INDEXER: self._indexer, UPKEEP: self._upkeep, TENDER: self._tender},
            install_signal_handlers=False,
            worker_middleware=[self._keep_in_mind],
            fetch_job_polling_interval=POLL_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=DEAD_AFTER_SECONDS,
            shutdown_graceful_timeout=GRACE_SECONDS,
        )

    async def _keep_in_mind(
        self, run_job: Callable[[], Awaitable[Any]], context: JobContext, worker: QueueWorker
    ) -> Any:
        self._running.add(context.job.id)
        try:
            return await run_job()
        finally:
            self._running.discard(context.job.id)

    async def _rescue(self, queue: App, workers: list[QueueWorker]) -> None:
        """Clear away the jobs that nobody does any more, and make new ones for what they were to do."""
        idle: set[int | None] = set()
        while True:
            # In trouble with the database the workers end, and say so.
            with suppress(ProcrastinateException, UnavailableError):
                stalled = list(await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS))
                kept = await self._kept_for_nothing(queue, workers)
                # Seen twice: the first time a job may just have been fetched, or be about to be finished.
                for job in [*stalled, *(job for job in kept if job.id in idle)]:
                    log.warning("job_taken_over", job=job.id, task=job.task_name)
                    await queue.job_manager.finish_job(job, Status.FAILED, delete_job=True)
                idle = {job.id for job in kept}
                await self._indexer.queue_forgotten()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _kept_for_nothing(self, queue: App, workers: list[QueueWorker]) -> list[Job]:
        """Jobs of these workers that none of them is doing: the connection broke when one was to be finished."""
        of_worker = queue.job_manager.list_jobs_async
        ids = [worker.worker_id for worker in workers if worker.worker_id is not None]
        doing = [job for id in ids for job in await of_worker(status=Status.DOING.value, worker_id=id)]
        return [job for job in doing if job.id not in self._running]
