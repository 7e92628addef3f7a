"""What goes over the wire about spaces, modules, tasks and progress."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.http import Incoming, Integer, Moment, Outgoing, Prose, Title

Visibility = Literal["private", "public", "shared"]
Relation = Literal["member", "owner", "public"]
ContentType = Literal["text", "video", "audio", "interactive"]
TaskStatus = Literal["pending", "in_progress", "completed"]
Priority = Literal["low", "medium", "high", "urgent"]
PRIORITIES: Final = ("low", "medium", "high", "urgent")
"""The least urgent first."""

SpaceOrder = Literal["created", "-created", "updated", "-updated", "title", "-title"]
TaskOrder = Literal[
    "created", "-created", "updated", "-updated", "due", "-due", "priority", "-priority", "title", "-title"
]

ShortName = Annotated[str, Meta(min_length=1, max_length=50)]
Content = Annotated[str, Meta(max_length=2_000_000)]
Minutes = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Percentage = Annotated[int, Meta(ge=0, le=100)]


class SpaceCreate(Incoming):
    goal_id: UUID
    title: Title
    description: Prose | UnsetType | None = UNSET
    theme: ShortName | UnsetType = UNSET
    color_scheme: ShortName | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    ai_mentor_config: dict[str, Any] | UnsetType = UNSET


class SpaceChange(Incoming):
    title: Title | UnsetType = UNSET
    description: Prose | UnsetType | None = UNSET
    theme: ShortName | UnsetType = UNSET
    color_scheme: ShortName | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    ai_mentor_config: dict[str, Any] | UnsetType = UNSET


class SpaceRead(Outgoing):
    id: UUID
    goal_id: UUID
    user_id: UUID
    title: str
    description: str | None
    theme: str | None
    color_scheme: str | None
    visibility: Visibility
    ai_mentor_config: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


class SpaceSummary(Outgoing):
    """`overall_progress` is the owner's, in percent of the modules."""

    space_id: UUID
    user_id: UUID
    goal_id: UUID
    title: str
    total_modules: int
    total_tasks: int
    completed_tasks: int
    completed_modules: int
    overall_progress: float


class ModuleCreate(Incoming):
    title: Title
    content_type: ContentType
    description: Prose | None = None
    content: Content | None = None
    order_index: Integer | UnsetType = UNSET
    """Where it stands among the others; unset: after all of them."""
    estimated_duration: Minutes | None = None


class ModuleChange(Incoming):
    title: Title | UnsetType = UNSET
    description: Prose | UnsetType | None = UNSET
    content_type: ContentType | UnsetType = UNSET
    content: Content | UnsetType | None = UNSET
    order_index: Integer | UnsetType = UNSET
    estimated_duration: Minutes | UnsetType | None = UNSET


class ModuleItem(Outgoing):
    """A module in a list: without its content, which may be long. `estimated_duration` is in minutes."""

    id: UUID
    space_id: UUID
    title: str
    description: str | None
    content_type: ContentType
    order_index: int
    estimated_duration: int | None
    created_at: datetime
    updated_at: datetime


class ModuleRead(ModuleItem):
    content: str | None


class ProgressSet(Incoming):
    completion_percentage: Percentage


class ProgressRead(Outgoing):
    """The caller's own. Before any there is no row yet: 0 percent, and null for what only a row has."""

    module_id: UUID
    user_id: UUID
    completion_percentage: int = 0
    id: UUID | None = None
    last_interaction_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TaskCreate(Incoming):
    title: Title
    description: Prose | None = None
    module_id: UUID | None = None
    status: TaskStatus = "pending"
    due_date: Moment | None = None
    priority: Priority = "medium"


class TaskChange(Incoming):
    title: Title | UnsetType = UNSET
    description: Prose | UnsetType | None = UNSET
    module_id: UUID | UnsetType | None = UNSET
    status: TaskStatus | UnsetType = UNSET
    due_date: Moment | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET


class TaskRead(Outgoing):
    id: UUID
    space_id: UUID
    module_id: UUID | None
    title: str
    description: str | None
    status: TaskStatus
    due_date: datetime | None
    priority: Priority | None
    created_at: datetime
    updated_at: datetime
