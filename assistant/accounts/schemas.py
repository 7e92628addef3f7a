"""What goes over the wire about people."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.http import Incoming, Moment, Outgoing
from assistant.identity import KeyScope

EMAIL_PATTERN = r"^[^\s@\x00-\x1f\x7f]{1,64}@[^\s@.\x00-\x1f\x7f]+(\.[^\s@.\x00-\x1f\x7f]+)*$"
"""One @ with something on both sides: only a message to the address shows more."""

Email = Annotated[str, Meta(min_length=3, max_length=320, pattern=EMAIL_PATTERN, examples=["ada@example.org"])]
Password = Annotated[str, Meta(min_length=8, max_length=200)]
FullName = Annotated[str, Meta(min_length=1, max_length=200)]
WebAddress = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f/]+\S*$")]


class SignUp(Incoming):
    email: Email
    password: Password
    full_name: FullName | None = None


class SignIn(Incoming):
    email: Email
    password: Annotated[str, Meta(max_length=200)]


class UserRead(Outgoing):
    unversioned: ClassVar[tuple[str, ...]] = ("last_active_at",)

    id: UUID
    email: str
    full_name: str | None
    avatar_url: str | None
    created_at: datetime
    updated_at: datetime
    last_active_at: datetime | None


class SignedIn(Outgoing):
    """`expires_in` is in seconds."""

    access_token: str
    expires_in: int
    user: UserRead
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # the kind of a token, not one


class UserChange(Incoming):
    full_name: FullName | UnsetType | None = UNSET
    avatar_url: WebAddress | UnsetType | None = UNSET


class PreferencesRead(Outgoing):
    user_id: UUID
    theme: str | None
    language: str | None
    ai_model: str | None
    notification_settings: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


class PreferencesChange(Incoming):
    theme: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType | None = UNSET
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")] | UnsetType | None = UNSET
    ai_model: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType | None = UNSET
    notification_settings: dict[str, Any] | UnsetType = UNSET


class SubscriptionRead(Outgoing):
    """What counts now. Without a subscription: the tier `free`, and null for what only a stored one has."""

    tier: Literal["free", "basic", "pro", "enterprise"]
    status: Literal["active", "canceled", "past_due"]
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class KeyCreate(Incoming):
    """Without `scopes` the key is for everything: `read`, `write` and `chat`."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    scopes: Annotated[list[KeyScope], Meta(min_length=1, max_length=3)] | None = None
    expires_at: Moment | None = None


class KeyRead(Outgoing):
    """`prefix` is how the key begins. `last_used_at` is true to a minute."""

    unversioned: ClassVar[tuple[str, ...]] = ("last_used_at",)

    id: UUID
    name: str
    prefix: str
    scopes: list[KeyScope]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class KeyMade(KeyRead):
    """`key` is null where the answer is repeated for the same `Idempotency-Key`."""

    shown_once: ClassVar[tuple[str, ...]] = ("key",)

    key: str | None
