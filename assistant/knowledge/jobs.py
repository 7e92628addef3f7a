"""What workers do for knowledge. A job is enqueued by the database itself, with the rows that need it."""

import random
from typing import Final
from uuid import UUID

from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job

from assistant.knowledge.indexing import Indexer

INDEXER: Final = "indexer"
"""Key of what the worker's context holds for these jobs."""

LONGEST_WAIT: Final = 120


class BackOff(BaseRetryStrategy):
    """After 2, 4, 8, … seconds, spread, and without end: a job fails only while the database does."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        seconds = min(2 ** min(job.attempts + 1, 8), LONGEST_WAIT) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads only
        return RetryDecision(retry_in={"seconds": round(seconds)})


async def index_space(context: JobContext, *, space_id: str) -> None:
    """Index what waits in a space: whoever may write a document of it has asked for that by writing it."""
    indexer: Indexer = context.additional_context[INDEXER]
    await indexer.index_space(UUID(space_id))


def register_jobs(app: App) -> None:
    app.task(name="index_space", queue="documents", pass_context=True, retry=BackOff())(index_space)
