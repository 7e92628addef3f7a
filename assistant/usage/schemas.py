"""What goes over the wire about plans and usage."""

from datetime import date, datetime
from uuid import UUID

from assistant.accounts.subscriptions import Tier
from assistant.http import Outgoing


class ResourceUsage(Outgoing):
    """`limit` and `left` are null where the plan sets none.

    `messages` and `tokens` count from `period_start` to `period_end`; `documents`, `storage` (bytes) and
    `concurrent_turns` are what there is now. `reserved` is set aside for answers under way.
    """

    resource: str
    used: int
    reserved: int
    limit: int | None
    left: int | None


class Totals(Outgoing):
    """`cost_usd` is that of calls whose price is known; `without_price` counts the others."""

    count: int
    tokens_used: int
    cost_usd: float
    without_price: int


class DayUsage(Totals):
    day: date


class SpaceUsage(Totals):
    """`title` is null where the space is gone, or not the caller's to see any more; `space_id` where it was none."""

    space_id: UUID | None
    title: str | None


class ModelUsage(Totals):
    """`estimated` counts calls whose tokens are, at least in part, an estimate."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    estimated: int


class ActionUsage(Totals):
    """`chat`, `condense`, `summarise`, `title`, `embed`, `tool`, or `turn`: a question that counts as a message."""

    action: str


class UsageRead(Outgoing):
    """The current calendar month, in UTC. `tokens_used` is what counts for the plan."""

    plan: Tier
    period_start: datetime
    period_end: datetime
    resources: list[ResourceUsage]
    count: int
    tokens_used: int
    cost_usd: float
    without_price: int
    by_day: list[DayUsage]
    by_space: list[SpaceUsage]
    by_model: list[ModelUsage]
    by_action: list[ActionUsage]
