"""What is kept for a while only: one line for each kind of row that has served its purpose."""

from typing import Final, LiteralString, NamedTuple

from sqlalchemy import text

from assistant.db.session import Database

BATCH: Final = 5_000
"""Rows deleted in one transaction: it is over before anybody waits for it."""


class Sweep(NamedTuple):
    what: str
    """For people, in the plural."""
    table: LiteralString
    condition: LiteralString
    """Which rows have served their purpose; an index should find them."""


SWEEPS: Final = (
    Sweep("answers kept for repeated requests", "assistant.stored_answers", "created_at < now() - interval '1 day'"),
    Sweep("listeners", "assistant.run_listeners", "until < now()"),
    Sweep("counters of attempts", "assistant.rate_limits", "full_at < now()"),
    Sweep("messages to people", "assistant.outbox", "coalesce(sent_at, failed_at) < now() - interval '30 days'"),
    Sweep("invitations", "assistant.invitations", "expires_at < now() - interval '30 days'"),
    Sweep("departures", "assistant.departures", "left_at < now() - interval '400 days'"),
    Sweep("counters of past months", "assistant.usage_counters", "period < now() - interval '400 days'"),
    Sweep("billing events", "assistant.billing_events", "received_at < now() - interval '90 days'"),
)


async def sweep(database: Database, kind: Sweep) -> int:
    """How many rows went."""
    statement = text(
        f"delete from {kind.table} where ctid = any (array("  # noqa: S608 - all of it stands in this file
        f"select ctid from {kind.table} where {kind.condition} limit {BATCH}))"
    )
    gone = 0
    while True:
        async with database.service("sweep") as connection:
            some = (await connection.execute(statement)).rowcount
        gone += some
        if some < BATCH:
            return gone
