"""The stop of a whole installation: what everybody together may use in a month. A person has to lift it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from assistant.db.quotas import InstallationStoppedError
from assistant.db.session import Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """In a calendar month (UTC); None: no limit."""

    tokens: int | None
    usd: Decimal | None

    @property
    def is_set(self) -> bool:
        return self.tokens is not None or self.usd is not None


_UNSET: Final = """
with gone as (delete from assistant.installation_usage) delete from assistant.installation_stop
"""

# Counted from here on; what this month has used before is taken from the log.
_SET: Final = """
with stop as (
    insert into assistant.installation_stop as s (tokens, usd) values (%(tokens)s, %(usd)s)
    on conflict (single) do update set tokens = excluded.tokens, usd = excluded.usd
        where (s.tokens, s.usd) is distinct from (excluded.tokens, excluded.usd)
)
insert into assistant.installation_usage (period, tokens, tokens_reserved, usd)
select private.month_of(now()),
       coalesce(sum(u.tokens_used), 0),
       (select coalesce(sum(r.tokens), 0) from assistant.reservations r where r.period = private.month_of(now())),
       coalesce(sum((u.details ->> 'cost_usd')::numeric), 0)
from public.usage_logs u
where u.created_at >= private.month_of(now())::timestamp at time zone 'UTC'
  and not exists (select 1 from assistant.installation_usage i where i.period = private.month_of(now()))
having not exists (select 1 from assistant.installation_usage i where i.period = private.month_of(now()))
on conflict (period) do nothing
"""

_NOTE: Final = """
update assistant.installation_stop set stopped_at = now() where stopped_at is null returning stopped_at
"""

_LIFT: Final = "update assistant.installation_stop set stopped_at = null where stopped_at is not null returning single"

_STANDING: Final = """
select s.tokens, s.usd, s.stopped_at, coalesce(i.tokens, 0), coalesce(i.tokens_reserved, 0), coalesce(i.usd, 0)
from assistant.installation_stop s
left join assistant.installation_usage i on i.period = private.month_of(now())
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an installation with a stop stands this month."""

    tokens_limit: int | None
    usd_limit: Decimal | None
    stopped_at: datetime | None
    tokens: int
    tokens_reserved: int
    usd: Decimal


async def publish_stop(database: Database, stop: Stop) -> None:
    """Make the settings' stop the one that counts. It does not lift one that was reached."""
    if stop.is_set:
        await database.fetch_as_service("settle_usage", _SET, {"tokens": stop.tokens, "usd": stop.usd})
    else:
        await database.fetch_as_service("settle_usage", _UNSET)


@asynccontextmanager
async def noting_stop(database: Database) -> AsyncIterator[None]:
    """Where something is refused since the installation's limit would be passed, it stays stopped from then on."""
    try:
        yield
    except InstallationStoppedError:
        await _stop(database)
        raise


async def _stop(database: Database) -> None:
    if await database.fetch_as_service("settle_usage", _NOTE):
        log.error("installation_stopped", hint="goalspace usage --lift-stop, once the limit is raised")


async def lift_stop(database: Database) -> bool:
    """A person lets the installation go on; False: it was not stopped. A limit that is passed stops it again."""
    return bool(await database.fetch_as_service("settle_usage", _LIFT))


async def standing(database: Database) -> Standing | None:
    """None: there is no stop."""
    rows = await database.fetch_as_service("settle_usage", _STANDING)
    return Standing(*rows[0]) if rows else None
