"""The worker, wired: takes jobs from the queue, in the server's process or in one of its own."""

import asyncio
from contextlib import suppress
from typing import Final, Self

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ProcrastinateException

from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.jobs import INDEXER, register_jobs
from assistant.llm.embeddings import Embedder
from assistant.queue import build_queue

log = structlog.get_logger(__name__)

CONCURRENCY: Final = 2
"""Jobs at a time. Those of one space never run together, so that a second space need not wait for a first one's."""

POLL_SECONDS: Final = 5.0
"""Between looks at the queue where no notification came: jobs that wait for their next try."""

HEARTBEAT_SECONDS: Final = 10.0
DEAD_AFTER_SECONDS: Final = 60.0
"""A worker that was silent for so long is gone; its jobs are taken over."""

GRACE_SECONDS: Final = 10.0
"""What a running job has when the worker is stopped, before it is cancelled and queued again."""

RESTART_SECONDS: Final = 2.0
"""After the queue's connection broke."""


class Worker:
    """Runs jobs from `start` to `stop`, also across a restart of the database."""

    def __init__(self, server: Server, database: Database, embedder: Embedder) -> None:
        self._server = server
        self._context = {INDEXER: Indexer(database, embedder)}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="worker")

    async def stop(self) -> None:
        """Wait for the running jobs, and after some seconds cancel them: another worker does them again."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            queue = build_queue(self._server)
            register_jobs(queue)
            try:
                async with queue.open_async():
                    await self._work(queue)
            except (ProcrastinateException, psycopg.Error) as exc:
                log.warning("queue_unavailable", fault=type(exc).__name__)
            await asyncio.sleep(RESTART_SECONDS)

    async def _work(self, queue: App) -> None:
        rescue = asyncio.create_task(self._rescue(queue), name="rescue")
        try:
            # One job at a time each: a worker with two would not look for the next job of a space when one is done,
            # only after POLL_SECONDS, since nobody notifies it that the space's lock is free.
            async with asyncio.TaskGroup() as workers:
                for _ in range(CONCURRENCY):
                    workers.create_task(self._work_alone(queue))
        finally:
            rescue.cancel()

    async def _work_alone(self, queue: App) -> None:
        await queue.run_worker_async(
            concurrency=1,
            delete_jobs="successful",
            additional_context=self._context,
            install_signal_handlers=False,
            fetch_job_polling_interval=POLL_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=DEAD_AFTER_SECONDS,
            shutdown_graceful_timeout=GRACE_SECONDS,
        )

    async def _rescue(self, queue: App) -> None:
        """Take over the jobs of workers that are gone."""
        while True:
            with suppress(ProcrastinateException):  # the worker itself meets the same trouble, and says so
                for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS):
                    log.warning("job_taken_over", job=job.id, task=job.task_name)
                    await queue.job_manager.retry_job(job)
            await asyncio.sleep(HEARTBEAT_SECONDS)
