"""Statements about plans and usage: what people read as themselves, and what a service publishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, cast
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.subscriptions import Tier
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.usage.plans import Plans

_TIER: Final = """
select coalesce((select s.tier from public.subscriptions s
                 where s.user_id = (select auth.uid()) and s.status = 'active' and s.starts_at <= now()
                   and (s.ends_at is null or s.ends_at > now())), 'free')
"""

_PUBLISH: Final = """
insert into assistant.plans as p (tier, messages, tokens, documents, storage, turns)
select n.tier, n.messages, n.tokens, n.documents, n.storage, n.turns
from jsonb_to_recordset(%s)
    as n (tier text, messages bigint, tokens bigint, documents bigint, storage bigint, turns bigint)
on conflict (tier) do update set messages = excluded.messages, tokens = excluded.tokens,
    documents = excluded.documents, storage = excluded.storage, turns = excluded.turns
where (p.messages, p.tokens, p.documents, p.storage, p.turns) is distinct from
    (excluded.messages, excluded.tokens, excluded.documents, excluded.storage, excluded.turns)
"""


async def tier_of(database: Database, principal: Principal) -> Tier:
    """What the caller is subscribed to now."""
    ((tier,),) = await database.fetch(principal, _TIER)
    return cast(Tier, tier)


async def publish_plans(database: Database, plans: Plans) -> None:
    """Make these plans the ones that the database's triggers go by."""
    rows: list[dict[str, Any]] = [
        {
            "tier": plan.tier,
            "messages": plan.messages,
            "tokens": plan.tokens,
            "documents": plan.documents,
            "storage": plan.storage,
            "turns": plan.turns,
        }
        for plan in plans.values()
    ]
    await database.fetch_as_service("settle_usage", _PUBLISH, (Jsonb(rows),))


@dataclass(frozen=True, slots=True)
class Amounts:
    """What somebody has used this month and has now."""

    tier: Tier
    period_start: date
    messages: int
    messages_reserved: int
    tokens: int
    tokens_reserved: int
    documents: int
    storage: int
    turns: int


_AMOUNTS = text("""
    with month as (select date_trunc('month', now() at time zone 'UTC')::date as start)
    select coalesce((select s.tier from public.subscriptions s
                     where s.user_id = :user and s.status = 'active' and s.starts_at <= now()
                       and (s.ends_at is null or s.ends_at > now())), 'free'),
           month.start, coalesce(c.messages, 0), coalesce(c.messages_reserved, 0), coalesce(c.tokens, 0),
           coalesce(c.tokens_reserved, 0), coalesce(h.documents, 0), coalesce(h.storage, 0), coalesce(h.turns, 0)
    from month
    left join assistant.usage_counters c on c.user_id = :user and c.period = month.start
    left join (select sum(amount) filter (where resource = 'documents')::bigint as documents,
                      sum(amount) filter (where resource = 'storage')::bigint as storage,
                      sum(amount) filter (where resource = 'turns')::bigint as turns
               from assistant.holdings where user_id = :user) h on true
""")


async def amounts(session: AsyncSession, user_id: UUID) -> Amounts:
    """As somebody who may see the person's own counters: they themselves, or the service."""
    return Amounts(*(await session.execute(_AMOUNTS, {"user": user_id})).one())


@dataclass(frozen=True, slots=True)
class Used:
    """What was logged of one day, space, model and action. None: not about any."""

    day: date
    space_id: UUID | None
    space: str | None
    provider: str | None
    model: str | None
    action: str
    count: int
    tokens_used: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float
    """Of those calls whose price is known."""
    without_price: int
    """Calls of models whose price, or whose number of tokens, nobody knows."""
    estimated: int
    """Calls whose number of tokens is, at least in part, an estimate."""


_USED = text("""
    select (u.created_at at time zone 'UTC')::date,
           case when u.resource_type = 'space' then u.resource_id end,
           max(s.title), u.details ->> 'provider', u.details ->> 'model', u.action,
           sum(coalesce((u.details ->> 'calls')::bigint, 1))::bigint, coalesce(sum(u.tokens_used), 0)::bigint,
           coalesce(sum((u.details ->> 'input_tokens')::bigint), 0)::bigint,
           coalesce(sum((u.details ->> 'output_tokens')::bigint), 0)::bigint,
           coalesce(sum((u.details ->> 'cache_read_tokens')::bigint), 0)::bigint,
           coalesce(sum((u.details ->> 'cache_write_tokens')::bigint), 0)::bigint,
           coalesce(sum((u.details ->> 'cost_usd')::float8), 0),
           count(*) filter (where u.details ? 'model' and u.details ->> 'cost_usd' is null),
           count(*) filter (where u.details @> '{"estimated": true}')
    from public.usage_logs u
    left join public.spaces s on u.resource_type = 'space' and s.id = u.resource_id
    where u.user_id = :user and u.created_at >= :since
      and coalesce(u.period, (date_trunc('month', u.created_at at time zone 'UTC'))::date) = :period
    group by 1, 2, 4, 5, 6
    order by 1, 2, 4, 5, 6
""")


async def used(session: AsyncSession, user_id: UUID, since: datetime) -> Sequence[Used]:
    """Everything of the month that begins at `since`."""
    rows = await session.execute(_USED, {"user": user_id, "since": since, "period": since.date()})
    return [Used(*row) for row in rows]
