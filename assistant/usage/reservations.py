"""Setting tokens aside before they are used, and settling what was: for work that is no run of the mentor.

    reservation = await reserve(database, user_id, call, tokens)    # raises QuotaExceededError: nothing is called then
    ...                                                             # the call
    await settle(database, reservation, entries)                    # logged, and free again, in one transaction

A process that goes away in between leaves the reservation; after `KEEP` the sweep settles it by what was known before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from assistant.db.session import Database
from assistant.llm.pricing import highest_cost
from assistant.usage.entries import FREE, Entry, ModelCall
from assistant.usage.installation import noting_stop

KEEP: Final = timedelta(minutes=10)
"""Longer than any call takes that is set something aside for."""


@dataclass(frozen=True, slots=True)
class Reserved:
    id: UUID
    space_id: UUID | None


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


async def reserve(
    database: Database, user_id: UUID, space_id: UUID | None, call: ModelCall, *, output_tokens: int = 0
) -> Reserved | None:
    """Set aside what `call` (its input estimated, its output unknown) and an answer of `output_tokens` take at most.

    None: what costs nobody anything needs no reservation. Raises QuotaExceededError, InstallationStoppedError.
    """
    if call.provider in FREE:
        return None
    tokens_in = call.usage.input_tokens or 0
    usd = highest_cost(call.model.rpartition(":")[2], tokens_in, output_tokens) or 0
    reserved = Reserved(uuid4(), space_id)
    row = Jsonb(call.ended("killed").entry().row(space_id))
    async with noting_stop(database):
        await database.fetch_as_service(
            "settle_usage", _RESERVE, (reserved.id, user_id, tokens_in + output_tokens, usd, row, KEEP)
        )
    return reserved


async def settle(database: Database, reserved: Reserved, entries: Sequence[Entry]) -> None:
    """Log what was used in the place of what was set aside. Once: a second time does nothing."""
    rows = Jsonb([entry.row(reserved.space_id) for entry in entries])
    await database.fetch_as_service("settle_usage", _SETTLE, (reserved.id, rows))


async def log_usage(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Entries as rows with a `user_id`, of people who are still there."""
    if rows:
        await database.fetch_as_service("settle_usage", _LOG, (Jsonb(list(rows)),))


async def settle_expired(database: Database) -> int:
    """Settle what was left behind; how many."""
    ((settled,),) = await database.fetch_as_service("settle_usage", _SETTLE_EXPIRED)
    return int(settled)
