"""The caller's own usage over HTTP."""

from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.http import signed_in
from assistant.usage.plans import Plans
from assistant.usage.report import read_usage
from assistant.usage.schemas import UsageRead


@get("/api/me/usage", operation_id="GetUsage", guards=[signed_in], tags=["me"])
async def get_usage(
    me: NamedDependency[UUID], analytics_session: NamedDependency[AsyncSession], plans: NamedDependency[Plans]
) -> UsageRead:
    """The caller's plan, what of it is used and left, and what this month's use was for."""
    return await read_usage(analytics_session, plans, me)
