"""What workers do for conversations."""

from typing import Final
from uuid import UUID

from procrastinate import App, JobContext

from assistant.chat.tending import Tender

TENDER: Final = "tender"
"""Key of what the worker's context holds for these jobs."""

THREADS: Final = "threads"
"""Their queue."""


async def tend_thread(context: JobContext, *, run_id: str) -> None:
    """Title and summary for the thread of that run: the person has begun it, and it is theirs alone."""
    tender: Tender = context.additional_context[TENDER]
    await tender.tend(UUID(run_id))


def register_thread_jobs(app: App) -> None:
    """Without retries: what is missing still is asked for again after the thread's next answer."""
    app.task(name="tend_thread", queue=THREADS, pass_context=True)(tend_thread)
