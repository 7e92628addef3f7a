"""What clients send and get of conversations as a whole, in the names of the schema."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.chat.repository import RunStatus
from assistant.http import Incoming, Outgoing


class ThreadRead(Outgoing):
    unversioned = ("message_count", "status", "last_message_at")

    space_id: UUID
    thread_id: str
    """As the client named it."""
    title: str | None
    """The caller's, else the one that was made after the first answer."""
    is_named: bool
    """The title is the caller's."""
    message_count: int
    """All versions of all messages."""
    status: RunStatus | None
    """How the last answer stands, or how it ended."""
    created_at: datetime
    last_message_at: datetime


class ThreadChange(Incoming):
    title: (
        Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", description="Not only spaces.")]
        | UnsetType
        | None
    ) = UNSET
    """Null: the one that was made."""


class SummaryRead(Outgoing):
    """What stands for the turns that are long ago."""

    summary: str
    turns: int
    """How many it covers, from the first on."""
    tainted: bool
    """The caller did not write all of what it was made from."""
    model: str
    created_at: datetime


class Feedback(Incoming):
    value: Literal[-1, 0, 1]
    """Thumbs down, none, up."""
    comment: Annotated[str, Meta(min_length=1, max_length=4000)] | None = None


class FeedbackRead(Outgoing):
    message_id: UUID
    value: int
    comment: str | None
    updated_at: datetime
