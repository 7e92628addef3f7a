"""What goes over the wire about usage."""

from datetime import datetime

from assistant.http import Outgoing


class ActionUsage(Outgoing):
    action: str
    count: int
    tokens_used: int


class UsageRead(Outgoing):
    """Of the current month, in UTC, from `period_start`."""

    period_start: datetime
    count: int
    tokens_used: int
    by_action: list[ActionUsage]
