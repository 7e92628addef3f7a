"""What somebody has used this month, put together: for the API and for the command line."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.usage import repository
from assistant.usage.plans import Plan, Plans
from assistant.usage.repository import Amounts, Used
from assistant.usage.schemas import ActionUsage, DayUsage, ModelUsage, ResourceUsage, SpaceUsage, UsageRead

Key = TypeVar("Key", bound=Hashable)


async def read_usage(session: AsyncSession, plans: Plans, user_id: UUID) -> UsageRead:
    """As the person, or as the service."""
    amounts = await repository.amounts(session, user_id)
    start = datetime.combine(amounts.period_start, time(), UTC)
    rows = await repository.used(session, user_id, start)
    return UsageRead(
        plan=amounts.tier,
        period_start=start,
        period_end=datetime.combine(next_month(amounts.period_start), time(), UTC),
        resources=_resources(plans[amounts.tier], amounts),
        **_totals(rows),
        by_day=[DayUsage(**_totals(some), day=day) for day, some in _grouped(rows, lambda row: row.day)],
        by_space=[
            SpaceUsage(**_totals(some), space_id=space_id, title=some[0].space)
            for space_id, some in _by_tokens(_grouped(rows, lambda row: row.space_id))
        ],
        by_model=[_model(some) for _, some in _by_tokens(_grouped(_of_models(rows), lambda r: (r.provider, r.model)))],
        by_action=[
            ActionUsage(**_totals(some), action=action)
            for action, some in _by_tokens(_grouped(rows, lambda row: row.action))
        ],
    )


def next_month(month: date) -> date:
    """`month` is the first day of one."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _resources(plan: Plan, has: Amounts) -> list[ResourceUsage]:
    return [
        _resource("messages", has.messages, has.messages_reserved, plan.messages),
        _resource("tokens", has.tokens, has.tokens_reserved, plan.tokens),
        _resource("documents", has.documents, 0, plan.documents),
        _resource("storage", has.storage, 0, plan.storage),
        _resource("concurrent_turns", has.turns, 0, plan.turns),
    ]


def _resource(name: str, used: int, reserved: int, limit: int | None) -> ResourceUsage:
    return ResourceUsage(name, used, reserved, limit, None if limit is None else max(limit - used - reserved, 0))


def _totals(rows: Sequence[Used]) -> dict[str, Any]:
    return {
        "count": sum(row.count for row in rows),
        "tokens_used": sum(row.tokens_used for row in rows),
        "cost_usd": round(sum(row.cost_usd for row in rows), 6),
        "without_price": sum(row.without_price for row in rows),
    }


def _of_models(rows: Iterable[Used]) -> list[Used]:
    return [row for row in rows if row.model is not None]


def _model(rows: Sequence[Used]) -> ModelUsage:
    return ModelUsage(
        **_totals(rows),
        provider=rows[0].provider or "",
        model=rows[0].model or "",
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cache_read_tokens=sum(row.cache_read_tokens for row in rows),
        cache_write_tokens=sum(row.cache_write_tokens for row in rows),
        estimated=sum(row.estimated for row in rows),
    )


def _grouped(rows: Iterable[Used], key: Callable[[Used], Key]) -> list[tuple[Key, list[Used]]]:
    """In the order of their first rows."""
    groups: dict[Key, list[Used]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.items())


def _by_tokens(groups: list[tuple[Key, list[Used]]]) -> list[tuple[Key, list[Used]]]:
    """The most tokens first."""
    return sorted(groups, key=lambda group: (-sum(row.tokens_used for row in group[1]), str(group[0])))
