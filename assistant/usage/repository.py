"""Statements about usage, as the person whose it is."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.usage.models import UsageLog


async def totals_by_action(session: AsyncSession, user_id: UUID, since: datetime) -> Sequence[tuple[str, int, int]]:
    """Action, how often, and how many tokens; the most tokens first."""
    tokens: ColumnElement[int] = func.coalesce(func.sum(UsageLog.tokens_used), 0)
    statement = (
        select(UsageLog.action, func.count(), tokens)
        .where(UsageLog.user_id == user_id, UsageLog.created_at >= since)
        .group_by(UsageLog.action)
        .order_by(tokens.desc(), UsageLog.action)
    )
    return [(action, count, int(used)) for action, count, used in (await session.execute(statement)).all()]
