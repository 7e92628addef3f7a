"""Tables of people: users, subscriptions, preferences, local accounts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, ForeignKey, Index, Table, Text, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped

auth_users = Table("users", Base.metadata, Column("id", Uuid, primary_key=True), Column("email", Text), schema="auth")
"""The identity provider's, or the stand-in for it; on Supabase nothing of it is ever written."""


class User(Identified, Timestamped, Base):
    """A person. The id is the identity provider's."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id", ondelete="CASCADE"), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str | None]
    avatar_url: Mapped[str | None]
    last_active_at: Mapped[datetime | None]

    __table_args__ = (Index("users_email_lower_key", text("lower(email)"), unique=True),)


class Subscription(Identified, Timestamped, Base):
    """What a person pays for; no active row means the tier `free`."""

    __tablename__ = "subscriptions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    tier: Mapped[str]
    status: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    payment_provider: Mapped[str | None]
    payment_reference: Mapped[str | None]
    event_at: Mapped[datetime | None]

    __table_args__ = (
        Index("subscriptions_one_active", "user_id", unique=True, postgresql_where=text("status = 'active'")),
        Index("idx_subscriptions_ends_at", "ends_at", postgresql_where=text("status = 'active'")),
        Index(
            "subscriptions_payment_key",
            "payment_provider",
            "payment_reference",
            unique=True,
            postgresql_where=text("payment_reference is not null"),
        ),
    )


class UserPreferences(Timestamped, Base):
    """Made with the user by a trigger."""

    __tablename__ = "user_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    theme: Mapped[str | None] = mapped_column(server_default="system")
    language: Mapped[str | None] = mapped_column(server_default="en")
    ai_model: Mapped[str | None] = mapped_column(server_default="claude-3-haiku")
    notification_settings: Mapped[dict[str, Any] | None] = mapped_column(
        server_default=text("""'{"email": true, "push": true}'""")
    )


class BillingEvent(Base):
    """An event of the payment provider that has been taken in: each counts once."""

    __tablename__ = "billing_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = ({"schema": "assistant"},)


class Departure(Base):
    """Who deleted their account, as a hash of their id."""

    __tablename__ = "departures"

    person: Mapped[bytes] = mapped_column(primary_key=True)
    left_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)

    __table_args__ = ({"schema": "assistant"},)


class LocalAccount(Timestamped, Base):
    """The password, as an argon2 hash, of somebody who signs in here and not at a provider."""

    __tablename__ = "local_accounts"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str]

    __table_args__ = ({"schema": "assistant"},)


class ApiKey(Identified, Base):
    """A key with which a program acts as its user. `key_hash` is for the service alone."""

    __tablename__ = "api_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_api_keys_user_created_at", "user_id", "created_at", "id"), {"schema": "assistant"})
