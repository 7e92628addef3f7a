"""The upkeep on schedule: one job an hour, whichever worker takes it."""

from typing import Final

import structlog
from procrastinate import App, JobContext

from assistant.upkeep.service import Upkeep

log = structlog.get_logger(__name__)

UPKEEP: Final = "upkeep"
"""Key of what the worker's context holds for this job; its queue's and its lock's name."""

EVERY_HOUR: Final = "7 * * * *"
"""Not on the hour, when everybody else's jobs begin."""


async def do_upkeep(context: JobContext, timestamp: int) -> None:
    """What `goalspace maintain` does. A step that fails is logged, and done an hour later."""
    upkeep: Upkeep = context.additional_context[UPKEEP]
    outcomes = [outcome async for outcome in upkeep.do_all()]
    log.info("upkeep_done", **{outcome.step.replace(" ", "_"): outcome.told for outcome in outcomes})


def register_upkeep(app: App) -> None:
    """For workers of the service: a command that only indexes leaves this queue alone."""
    task = app.task(name="upkeep", queue=UPKEEP, queueing_lock=UPKEEP, lock=UPKEEP, pass_context=True)(do_upkeep)
    app.periodic(cron=EVERY_HOUR)(task)
