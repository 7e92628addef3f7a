"""Holding the counters against what they count. They are kept in one transaction with it, so a difference is a fault.

What differs is set right by the difference, so that whoever counts at the same moment is not overwritten.
"""

from typing import Final, LiteralString, NamedTuple

import structlog

from assistant.db.session import Database

log = structlog.get_logger(__name__)

# Of this month and the one before: the log of earlier ones may have been retired. A row of last month's may have been
# written this month, never the other way round.
_FROM_LOG: Final = """
with first as (select (private.month_of(now()) - interval '1 month')::date as month),
logged as (
    select u.user_id, coalesce(u.period, private.month_of(u.created_at)) as period,
           count(*) filter (where u.action = 'turn') as messages, coalesce(sum(u.tokens_used), 0)::bigint as tokens
    from first, public.usage_logs u
    where u.created_at >= first.month::timestamp at time zone 'UTC'
      and coalesce(u.period, private.month_of(u.created_at)) >= first.month
    group by 1, 2
), reserved as (
    select r.user_id, r.period, sum(r.messages)::bigint as messages, sum(r.tokens)::bigint as tokens
    from first, assistant.reservations r where r.period >= first.month group by 1, 2
), wrong as (
    select c.user_id, c.period,
           coalesce(l.messages, 0) - c.messages as messages, coalesce(l.tokens, 0) - c.tokens as tokens,
           coalesce(r.messages, 0) - c.messages_reserved as messages_reserved,
           coalesce(r.tokens, 0) - c.tokens_reserved as tokens_reserved
    from first, assistant.usage_counters c
    left join logged l using (user_id, period) left join reserved r using (user_id, period)
    where c.period >= first.month
      and (c.messages, c.tokens, c.messages_reserved, c.tokens_reserved) is distinct from
          (coalesce(l.messages, 0), coalesce(l.tokens, 0), coalesce(r.messages, 0), coalesce(r.tokens, 0))
)
update assistant.usage_counters c
set messages = c.messages + w.messages, tokens = c.tokens + w.tokens,
    messages_reserved = c.messages_reserved + w.messages_reserved,
    tokens_reserved = c.tokens_reserved + w.tokens_reserved
from wrong w where c.user_id = w.user_id and c.period = w.period
returning c.user_id
"""

_TURNS: Final = """
with running as (
    select r.user_id, count(*) as amount from assistant.reservations r where r.expires_at is null group by 1
), wrong as (
    select h.user_id, coalesce(r.amount, 0) - h.amount as difference
    from assistant.holdings h left join running r using (user_id)
    where h.resource = 'turns' and h.amount <> coalesce(r.amount, 0)
)
update assistant.holdings h set amount = h.amount + w.difference
from wrong w where h.user_id = w.user_id and h.resource = 'turns'
returning h.user_id
"""

_DOCUMENTS: Final = """
with held as (
    select s.user_id, count(*) as documents, sum(octet_length(d.content))::bigint as storage
    from public.documents d join public.spaces s on s.id = d.space_id group by 1
), wrong as (
    select h.user_id, h.resource,
           coalesce(case h.resource when 'documents' then d.documents else d.storage end, 0) - h.amount as difference
    from assistant.holdings h left join held d using (user_id) where h.resource in ('documents', 'storage')
)
update assistant.holdings h set amount = h.amount + w.difference
from wrong w where h.user_id = w.user_id and h.resource = w.resource and w.difference <> 0
returning h.user_id
"""


class Difference(NamedTuple):
    what: str
    people: int


_CHECKS: Final[tuple[tuple[str, LiteralString], ...]] = (
    ("counters", _FROM_LOG),
    ("turns under way", _TURNS),
    ("documents", _DOCUMENTS),
)


async def reconcile(database: Database) -> list[Difference]:
    """Set right what differs; empty where nothing does, as it should be."""
    found = []
    for what, statement in _CHECKS:
        rows = await database.fetch_as_service("settle_usage", statement)
        if rows:
            log.warning("usage_counters_differ", what=what, people=len(rows))
            found.append(Difference(what, len({user_id for (user_id,) in rows})))
    return found
