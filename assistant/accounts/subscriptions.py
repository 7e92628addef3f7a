"""Subscriptions, changed by operators and by the payment provider. One at most is active for each person.

Whoever changes one locks its person's row first, so that two changes of one person never meet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.models import BillingEvent, Subscription, User
from assistant.db.session import Database
from assistant.errors import ConflictError, InvalidError

Tier = Literal["free", "basic", "pro", "enterprise"]
Status = Literal["active", "canceled", "past_due"]
Verdict = Literal["applied", "duplicate", "outdated"]

_INSTANT: Final = timedelta(microseconds=1)
"""A subscription that is closed as soon as it begins still has to end after that."""


@dataclass(frozen=True, slots=True)
class PaidSubscription:
    """A subscription as the payment provider has it, from the moment `said_at` on."""

    event_id: str
    said_at: datetime
    user_id: UUID | None
    email: str | None
    tier: Tier
    status: Status
    starts_at: datetime | None
    ends_at: datetime | None
    provider: str
    reference: str


async def end_expired(database: Database) -> int:
    """Mark as canceled what is over; how many. On reading they have not counted since the moment they ended."""
    async with database.service_session("maintain") as session:
        over = Subscription.status == "active", Subscription.ends_at <= func.now()
        ended = await session.scalars(
            update(Subscription).where(*over).values(status="canceled").returning(Subscription.id)
        )
        return len(ended.all())


async def set_subscription(database: Database, user_id: UUID, tier: Tier, until: datetime | None) -> None:
    """Give somebody a tier from now on, to `until` or without an end; what they had ends. `free` only ends it."""
    async with database.service_session("accounts") as session:
        await _lock_user(session, User.id == user_id)
        now = await _now(session)
        await _close_active(session, user_id, now)
        if tier != "free":
            session.add(Subscription(user_id=user_id, tier=tier, status="active", starts_at=now, ends_at=until))


async def take_in(database: Database, paid: PaidSubscription) -> Verdict:
    """Do what the payment provider says, once and in its order.

    Raises InvalidError with the code `unknown_user`, ConflictError with `payment_reference_taken`.
    """
    async with database.service_session("accounts") as session:
        new = upsert(BillingEvent).values(id=paid.event_id).on_conflict_do_nothing().returning(BillingEvent.id)
        if await session.scalar(new) is None:
            return "duplicate"
        user_id = await _lock_user(session, _is_meant(paid))
        if user_id is None:
            raise InvalidError("There is no such user here.", path="data", code="unknown_user")
        stored = await session.scalar(_of_reference(paid))
        if stored is not None and stored.user_id != user_id:
            raise ConflictError("This payment reference is another user's.", code="payment_reference_taken")
        if stored is not None and stored.event_at is not None and stored.event_at > paid.said_at:
            return "outdated"
        await _store(session, user_id, stored, paid)
        return "applied"


async def _store(session: AsyncSession, user_id: UUID, stored: Subscription | None, paid: PaidSubscription) -> None:
    now = await _now(session)
    row = stored or Subscription(user_id=user_id, starts_at=paid.starts_at or now)
    if paid.status == "active":
        await _close_active(session, user_id, now, but=row.id)
    row.starts_at = paid.starts_at or row.starts_at
    row.ends_at = max(paid.ends_at or now, row.starts_at + _INSTANT) if paid.status == "canceled" else paid.ends_at
    row.tier, row.status = paid.tier, paid.status
    row.payment_provider, row.payment_reference, row.event_at = paid.provider, paid.reference, paid.said_at
    session.add(row)


def _is_meant(paid: PaidSubscription) -> ColumnElement[bool]:
    return User.id == paid.user_id if paid.user_id is not None else func.lower(User.email) == (paid.email or "").lower()


def _of_reference(paid: PaidSubscription) -> Select[Subscription]:
    return select(Subscription).where(
        Subscription.payment_provider == paid.provider, Subscription.payment_reference == paid.reference
    )


async def _lock_user(session: AsyncSession, which: ColumnElement[bool]) -> UUID | None:
    return await session.scalar(select(User.id).where(which).with_for_update(key_share=True))


async def _close_active(session: AsyncSession, user_id: UUID, now: datetime, *, but: UUID | None = None) -> None:
    """A start that is yet to come counts as the end, too: nothing ends before it begins."""
    ended = func.greatest(func.least(func.coalesce(Subscription.ends_at, now), now), Subscription.starts_at + _INSTANT)
    others = update(Subscription).where(Subscription.user_id == user_id, Subscription.status == "active")
    if but is not None:
        others = others.where(Subscription.id != but)
    await session.execute(others.values(status="canceled", ends_at=ended))


async def _now(session: AsyncSession) -> datetime:
    """By the database's clock, which everything else goes by."""
    now: datetime = (await session.execute(text("select now()"))).scalar_one()
    return now
