"""What a run may spend: set aside in the database before each call of a model, in steps that no race can pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from psycopg.types.json import Jsonb

from assistant.chat.answering import LiveRun
from assistant.chat.log import LeaseLostError
from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.llm.events import OFFLINE
from assistant.usage.entries import Entry, ModelCall
from assistant.usage.installation import noting_stop
from assistant.usage.plans import Plans
from assistant.usage.repository import tier_of

FIRST_TOKENS: Final = 16_000
"""Set aside by the database when a run begins (revision 20261125_05): most first calls take less."""

_EXTEND: Final = "select assistant.extend_reservation(%s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the runs of a process are counted by."""

    plans: Plans
    counts_money: bool
    """There is a stop at a sum of money, so that what a call may cost is set aside before each one."""


class RunBudget:
    """See assistant.mentor.events.Budget."""

    def __init__(self, database: Database, accounts: Accounts, run: LiveRun) -> None:
        self._database = database
        self._accounts = accounts
        self._run = run
        self._is_first = run.resumption is None  # which begins with nothing set aside

    async def allows(self, model: str) -> bool:
        tier = await tier_of(self._database, learner(self._run.user_id))
        return self._accounts.plans[tier].allows(model)

    async def reserve(self, spent: Sequence[Entry], call: ModelCall, output_tokens: int) -> None:
        """A first call that fits into what the run began with is not worth a round trip. Raises LeaseLostError, too."""
        if call.provider == OFFLINE:
            return
        told = call.usage.input_tokens or 0
        up_to = sum(entry.tokens or 0 for entry in spent) + told + output_tokens
        is_first, self._is_first = self._is_first, False
        if is_first and up_to <= FIRST_TOKENS and not self._accounts.counts_money:
            return
        usd = Decimal(sum(entry.details.get("cost_usd") or 0 for entry in spent))
        usd += call.highest_cost(output_tokens)
        run = self._run
        rows = Jsonb([entry.row(run.space_id, run.client_run_id) for entry in spent])
        planned = Jsonb(call.cut("killed").entry().row(run.space_id, run.client_run_id))
        values = (run.id, run.log.epoch, up_to, usd, rows, planned)
        async with noting_stop(self._database):
            ((ours,),) = await self._database.fetch_as_service("settle_usage", _EXTEND, values)
        if not ours:
            raise LeaseLostError
