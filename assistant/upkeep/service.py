"""Doing the upkeep: all of it at once, and, in a service, what cannot wait for the hour."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from assistant.db.engine import create_engine
from assistant.db.errors import as_known_error
from assistant.db.identity import acting_as, service
from assistant.db.session import SERVICE_ROLES, Database
from assistant.db.setup import Server
from assistant.errors import AssistantError
from assistant.spaces.jobs import refresh_summaries
from assistant.upkeep import partitions
from assistant.upkeep.steps import STEPS, Hands, Policy, database_date

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 1800.0
"""For one statement: moving a month of ten million rows takes minutes."""

LOOK_SECONDS: Final = 10.0
"""Between looks at what has become stale; with the pause between two refreshes it bounds how old a summary is."""

STRAYS_EVERY: Final = 6
"""Looks, of which one also looks for stray rows and missing months."""

# The login's own bounds are those of a job. One of a whole transaction cannot be raised once it has begun, only lifted;
# servers before PostgreSQL 17 have none.
_PATIENT: Final = text("""
    select set_config('statement_timeout', :patience, true),
        case when current_setting('transaction_timeout', true) is not null
             then set_config('transaction_timeout', '0', true) end
""")

_RECORD: Final = text("""
    insert into assistant.upkeep (step, finished_at, seconds, outcome) values (:step, now(), :seconds, :outcome)
    on conflict (step) do update
    set finished_at = excluded.finished_at, seconds = excluded.seconds, outcome = excluded.outcome
""")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step, in a few words."""

    step: str
    told: str
    seconds: float
    failed: bool = False


class Upkeep:
    """One per process."""

    def __init__(self, server: Server, database: Database, policy: Policy) -> None:
        self._server = server
        self._database = database
        self._policy = policy
        self.summaries_lag = 0.0
        """Seconds since the oldest change that `space_summaries` does not show."""
        self.stray_rows = 0
        """Rows in default partitions: more than none means that months were not made in time."""

    async def do_all(self, today: date | None = None) -> AsyncGenerator[Outcome, None]:
        """Do every step; one that fails says so and does not keep the others from being done."""
        engine = create_engine(
            self._server.listen_url, roles=SERVICE_ROLES, pool_size=1, application="upkeep", patience=PATIENCE_SECONDS
        )
        try:
            today = today or await database_date(self._database)
            hands = Hands(self._database, lambda: _patient(engine), self._policy, today)
            for step in STEPS:
                began = time.perf_counter()
                told, failed = await _result(step.name, step.do(hands))
                outcome = Outcome(step.name, told, time.perf_counter() - began, failed)
                if not failed:
                    await self._record(outcome)
                yield outcome
        finally:
            await engine.dispose()

    async def watch(self) -> None:
        """For ever: months are there, summaries are fresh, and what is wrong is seen. Cancelled at the end."""
        looks = 0
        while True:
            if looks % STRAYS_EVERY == 0:
                await _guarded("partitions_not_checked", self._look_at_partitions())
            await _guarded("summaries_not_refreshed", self._look_at_summaries())
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at_partitions(self) -> None:
        await partitions.ensure_partitions(self._database, await database_date(self._database))
        strays = await partitions.stray_months(self._database)
        self.stray_rows = sum(stray.rows for stray in strays)
        if strays:
            log.warning("rows_in_default_partition", months=[str(stray) for stray in strays])

    async def _look_at_summaries(self) -> None:
        self.summaries_lag = await refresh_summaries(self._database)

    async def _record(self, outcome: Outcome) -> None:
        async with self._database.service("maintain") as connection:
            values = {"step": outcome.step, "seconds": outcome.seconds, "outcome": outcome.told}
            await connection.execute(_RECORD, values)


@asynccontextmanager
async def _patient(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    with acting_as(service("maintain")), as_known_error():
        async with engine.begin() as connection:
            await connection.execute(_PATIENT, {"patience": f"{PATIENCE_SECONDS:.0f}s"})
            yield connection


async def _result(name: str, step: Coroutine[Any, Any, str]) -> tuple[str, bool]:
    """What a step told, or why it failed."""
    try:
        return await step, False
    except AssistantError as error:
        log.warning("upkeep_step_failed", step=name, code=error.code)
        return f"failed: {error.detail}", True
    except Exception:  # the other steps are to be done whatever is wrong with this one
        log.exception("upkeep_step_failed", step=name)
        return "failed: the log says why", True


async def _guarded(failure: str, look: Coroutine[Any, Any, None]) -> None:
    """What could not be seen this time can be the next time."""
    try:
        await look
    except AssistantError as error:
        log.warning(failure, code=error.code)
    except Exception:
        log.exception(failure)
