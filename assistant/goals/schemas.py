"""What goes over the wire about goals."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.http import Incoming, Integer, Moment, Outgoing, Prose, Title

Status = Literal["active", "completed", "archived"]
GoalOrder = Literal[
    "created", "-created", "updated", "-updated", "due", "-due", "priority", "-priority", "title", "-title"
]
Category = Annotated[str, Meta(min_length=1, max_length=100)]


class GoalCreate(Incoming):
    title: Title
    description: Prose | None = None
    category: Category | None = None
    status: Status = "active"
    priority: Integer = 0
    due_date: Moment | None = None


class GoalChange(Incoming):
    title: Title | UnsetType = UNSET
    description: Prose | UnsetType | None = UNSET
    category: Category | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    priority: Integer | UnsetType = UNSET
    due_date: Moment | UnsetType | None = UNSET


class GoalRead(Outgoing):
    id: UUID
    user_id: UUID
    title: str
    description: str | None
    category: str | None
    status: Status
    priority: int | None
    due_date: datetime | None
    created_at: datetime
    updated_at: datetime
