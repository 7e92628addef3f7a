"""The steps of the upkeep, in order. Each can be repeated at any time, beside the service and beside itself."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from assistant.accounts.subscriptions import end_expired
from assistant.chat.folding import fold_finished, forget_runs
from assistant.db.session import Database
from assistant.db.statistics import refresh_statistics
from assistant.spaces.jobs import refresh_summaries
from assistant.upkeep import partitions
from assistant.upkeep.crowding import mark_crowding
from assistant.upkeep.partitions import MONTHS_AHEAD, PatientTransaction
from assistant.upkeep.sweeps import SWEEPS, sweep
from assistant.usage.reconcile import reconcile
from assistant.usage.reservations import settle_expired


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept, in full months besides the current one; None: for ever."""

    keep_messages_months: int | None = None
    keep_usage_months: int | None = None
    drop_detached: bool = False
    """Delete what is no longer kept, for good. Without it such months are only taken out of their tables."""

    @property
    def kept(self) -> dict[str, int]:
        """Table → months, of those that are not kept for ever."""
        named = {"chat_messages": self.keep_messages_months, "usage_logs": self.keep_usage_months}
        return {table: months for table, months in named.items() if months is not None}


@dataclass(frozen=True, slots=True)
class Hands:
    """What a step works with."""

    database: Database
    transaction: PatientTransaction
    """For what may take minutes; everything else goes through `database`."""
    policy: Policy
    today: date
    """In UTC, by the database's clock."""


class Step(NamedTuple):
    name: str
    do: Callable[[Hands], Coroutine[Any, Any, str]]
    """Returns what came of it, in a few words with figures."""


async def make_months(hands: Hands) -> str:
    made = await partitions.ensure_partitions(hands.database, hands.today)
    return f"{made} made, {MONTHS_AHEAD} months ahead"


async def mend_months(hands: Hands) -> str:
    moved = [str(stray) async for stray in partitions.mend(hands.database, hands.transaction)]
    left = [str(stray) for stray in await partitions.stray_months(hands.database)]
    told = [f"moved {', '.join(moved)}"] if moved else []
    told += [f"{', '.join(left)} left in the default partition"] if left else []
    return "; ".join(told) or "none"


async def retire_months(hands: Hands) -> str:
    if not hands.policy.kept:
        return "everything is kept"
    detached, dropped, runs = [], [], 0
    for table, months in hands.policy.kept.items():
        detached += await partitions.retire(hands.transaction, table, months, hands.today)
        if hands.policy.drop_detached:
            dropped += await partitions.drop_retired(hands.transaction, table, months, hands.today)
    if hands.policy.drop_detached and (months_kept := hands.policy.keep_messages_months) is not None:
        runs = await forget_runs(hands.database, _first_kept(hands.today, months_kept))
    told = [f"{verb} {', '.join(names)}" for verb, names in (("detached", detached), ("dropped", dropped)) if names]
    told += [f"{runs:,} runs went with their messages"] if runs else []
    return "; ".join(told) or "nothing is old enough"


def _first_kept(today: date, months: int) -> date:
    number = today.year * 12 + today.month - 1 - max(months, 1)
    return date(number // 12, number % 12 + 1, 1)


async def fold_runs(hands: Hands) -> str:
    runs, events = await fold_finished(hands.database)
    return f"{events:,} events of {runs:,} runs folded into their messages"


async def end_subscriptions(hands: Hands) -> str:
    return f"{await end_expired(hands.database)} ended"


async def settle_reservations(hands: Hands) -> str:
    settled = await settle_expired(hands.database)
    differences = await reconcile(hands.database)
    told = [f"{each.what} of {each.people:,} people set right" for each in differences]
    return "; ".join([f"{settled:,} left behind settled", *(told or ["all counters are right"])])


async def renew_summaries(hands: Hands) -> str:
    lag = await refresh_summaries(hands.database, pause_seconds=0)
    return "up to date" if lag == 0 else f"{lag:.0f} s behind: somebody else is at it"


async def clear_leftovers(hands: Hands) -> str:
    gone = [(await sweep(hands.database, kind), kind.what) for kind in SWEEPS]
    return ", ".join(f"{count:,} {what}" for count, what in gone)


async def mark_documents(hands: Hands) -> str:
    marked, cleared = await mark_crowding(hands.database)
    return f"{marked:,} found everywhere, {cleared:,} no more"


async def count_rows(hands: Hands) -> str:
    await refresh_statistics(hands.database, "conversations")
    return "of the partitioned tables"


STEPS: Final = (
    Step("partitions", make_months),
    Step("stray rows", mend_months),
    Step("retention", retire_months),
    Step("run events", fold_runs),
    Step("subscriptions", end_subscriptions),
    Step("usage", settle_reservations),
    Step("summaries", renew_summaries),
    Step("documents", mark_documents),
    Step("leftovers", clear_leftovers),
    Step("statistics", count_rows),
)


async def database_date(database: Database) -> date:
    """Today in UTC, as the database has it."""
    async with database.service("maintain") as connection:
        today: date = (await connection.execute(text("select (now() at time zone 'UTC')::date"))).scalar_one()
        return today
