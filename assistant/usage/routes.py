"""The caller's own usage over HTTP."""

from datetime import UTC, datetime
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.http import signed_in
from assistant.usage import repository
from assistant.usage.schemas import ActionUsage, UsageRead


@get("/api/me/usage", operation_id="GetUsage", guards=[signed_in], tags=["me"])
async def get_usage(me: NamedDependency[UUID], analytics_session: NamedDependency[AsyncSession]) -> UsageRead:
    """What the caller has used this month, in sum and by action."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = [ActionUsage(*row) for row in await repository.totals_by_action(analytics_session, me, month)]
    return UsageRead(month, sum(row.count for row in rows), sum(row.tokens_used for row in rows), rows)
