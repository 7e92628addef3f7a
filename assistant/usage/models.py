"""The tables of plans and of what was used. Functions and triggers of the database keep the counts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified

IN_ASSISTANT = {"schema": "assistant"}


def _count() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=text("0"))


def _limit() -> Mapped[int | None]:
    return mapped_column(BigInteger)


class UsageLog(Identified, Base):
    """One use of something that costs; partitioned by month. What is inserted here is spent."""

    __tablename__ = "usage_logs"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    resource_type: Mapped[str]
    resource_id: Mapped[UUID | None]
    action: Mapped[str]
    tokens_used: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    details: Mapped[dict[str, Any] | None]
    period: Mapped[date | None]

    __table_args__ = (Index("idx_usage_logs_user_id", "user_id", text("created_at DESC")),)


class PlanRow(Base):
    """What a tier may use, as triggers read it. None: any number."""

    __tablename__ = "plans"

    tier: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int | None] = _limit()
    tokens: Mapped[int | None] = _limit()
    documents: Mapped[int | None] = _limit()
    storage: Mapped[int | None] = _limit()
    turns: Mapped[int | None] = _limit()

    __table_args__ = (IN_ASSISTANT,)


class UsageCounter(Base):
    """What somebody has used in a month, and what is set aside."""

    __tablename__ = "usage_counters"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    messages: Mapped[int] = _count()
    messages_reserved: Mapped[int] = _count()
    tokens: Mapped[int] = _count()
    tokens_reserved: Mapped[int] = _count()

    __table_args__ = (Index("idx_usage_counters_period", "period"), IN_ASSISTANT)


class Holding(Base):
    """What somebody has at the moment."""

    __tablename__ = "holdings"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (IN_ASSISTANT,)


class SpaceHolding(Base):
    """A space's part of what its owner has."""

    __tablename__ = "space_holdings"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID]
    documents: Mapped[int] = _count()
    storage: Mapped[int] = _count()

    __table_args__ = (IN_ASSISTANT,)


class Reservation(Base):
    """What is set aside for work under way; the id is its run's, where it is for one."""

    __tablename__ = "reservations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    period: Mapped[date]
    messages: Mapped[int] = _count()
    tokens: Mapped[int] = _count()
    usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    known: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    call: Mapped[dict[str, Any] | None]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("idx_reservations_expires_at", "expires_at", postgresql_where=text("expires_at is not null")),
        IN_ASSISTANT,
    )


class InstallationStop(Base):
    """What everybody together may use in a month."""

    __tablename__ = "installation_stop"

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    tokens: Mapped[int | None] = _limit()
    usd: Mapped[Decimal | None]
    stopped_at: Mapped[datetime | None]

    __table_args__ = (IN_ASSISTANT,)


class InstallationUsage(Base):
    """What everybody together has used in a month, while there is a stop."""

    __tablename__ = "installation_usage"

    period: Mapped[date] = mapped_column(primary_key=True)
    tokens: Mapped[int] = _count()
    tokens_reserved: Mapped[int] = _count()
    usd: Mapped[Decimal] = mapped_column(server_default=text("0"))
    usd_reserved: Mapped[Decimal] = mapped_column(server_default=text("0"))

    __table_args__ = (IN_ASSISTANT,)
