"""Setting tokens aside before they are used, and settling what was: for work that is no run of the mentor.

    async with paying(database, user_id, space_id, planned) as bill:    # raises QuotaExceededError: nothing is called
        answer = await …                                                # the call
        bill.append(call)                                               # what it used

A process that goes away in between leaves the reservation; after `KEEP` the sweep settles it by what was planned.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from assistant.db.session import Database
from assistant.llm.events import Usage
from assistant.usage.entries import ModelCall
from assistant.usage.installation import noting_stop

Pay = Callable[[ModelCall, int], AbstractAsyncContextManager[list[ModelCall]]]
"""Who pays for a call: given what is planned and the longest answer, it opens a bill; see `paying`."""

KEEP: Final = timedelta(minutes=10)
"""Longer than any call takes that is set something aside for."""

_RESERVE: Final = "select assistant.reserve_usage(%s, %s, %s, %s, %s, %s)"

_SETTLE: Final = "select assistant.settle_usage(%s, %s)"

_LOG: Final = """
insert into public.usage_logs (user_id, resource_type, resource_id, action, tokens_used, details)
select e.user_id, e.resource_type, e.resource_id, e.action, e.tokens_used, e.details
from jsonb_to_recordset(%s) as e (
    user_id uuid, resource_type text, resource_id uuid, action text, tokens_used integer, details jsonb)
where exists (select 1 from public.users u where u.id = e.user_id)
"""

_SETTLE_EXPIRED: Final = "select assistant.settle_expired()"


@asynccontextmanager
async def paying(
    database: Database, user_id: UUID, space_id: UUID | None, planned: ModelCall, output_tokens: int = 0
) -> AsyncIterator[list[ModelCall]]:
    """Set aside what `planned` (its input by estimate) and an answer of `output_tokens` take; log what comes of it.

    What the block puts into the list is logged, however the block ends. Where it puts nothing there, a call that was
    stopped is logged with what it was told, and one that failed with everything left open. Raises QuotaExceededError,
    InstallationStoppedError.
    """
    bill: list[ModelCall] = []
    reservation = uuid4()
    told = planned.usage.input_tokens or 0
    if not planned.is_free:
        row = Jsonb(planned.cut("killed").entry().row(space_id))
        async with noting_stop(database):
            values = (reservation, user_id, told + output_tokens, planned.highest_cost(output_tokens), row, KEEP)
            await database.fetch_as_service("settle_usage", _RESERVE, values)
    try:
        yield bill
    except Exception:
        if not bill:
            bill.append(ModelCall(planned.action, planned.provider, planned.model, Usage(), outcome="failed"))
        raise
    except BaseException:
        if not bill:
            bill.append(planned.cut("stopped"))
        raise
    finally:
        rows = [call.entry().row(space_id) for call in bill]
        if planned.is_free:
            await log_usage(database, [row | {"user_id": str(user_id)} for row in rows])
        else:
            await database.fetch_as_service("settle_usage", _SETTLE, (reservation, Jsonb(rows)))


@asynccontextmanager
async def unpaid(planned: ModelCall, output_tokens: int = 0) -> AsyncIterator[list[ModelCall]]:
    """For measurements, which are nobody's."""
    yield []


async def log_usage(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Entries as rows with a `user_id`, of people who are still there."""
    if rows:
        await database.fetch_as_service("settle_usage", _LOG, (Jsonb(list(rows)),))


async def settle_expired(database: Database) -> int:
    """Settle what was left behind; how many."""
    ((settled,),) = await database.fetch_as_service("settle_usage", _SETTLE_EXPIRED)
    return int(settled)
