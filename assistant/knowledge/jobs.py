"""What workers do for knowledge. A job is enqueued by the database itself, with the rows that need it."""

from typing import Final
from uuid import UUID

from procrastinate import App, JobContext

from assistant.knowledge.indexing import Indexer

INDEXER: Final = "indexer"
"""Key of what the worker's context holds for these jobs."""

DOCUMENTS: Final = "documents"
"""Their queue."""


async def index_space(context: JobContext, *, space_id: str) -> None:
    """Index what waits in a space: whoever may write a document of it has asked for that by writing it."""
    indexer: Indexer = context.additional_context[INDEXER]
    await indexer.index_space(UUID(space_id))


def register_jobs(app: App) -> None:
    """Without retries: what has to be tried again waits in its document's state, and has a new job."""
    app.task(name="index_space", queue=DOCUMENTS, pass_context=True)(index_space)
