"""Tables of a learning space: the space itself, its modules and tasks, each learner's progress."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped


class Space(Identified, Timestamped, Base):
    """Where a goal is worked on. Its owner is the goal's."""

    __tablename__ = "spaces"

    goal_id: Mapped[UUID] = mapped_column(ForeignKey("goals.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    description: Mapped[str | None]
    theme: Mapped[str | None] = mapped_column(server_default="default")
    color_scheme: Mapped[str | None] = mapped_column(server_default="blue")
    visibility: Mapped[str] = mapped_column(server_default="private")
    ai_mentor_config: Mapped[dict[str, Any] | None] = mapped_column(
        server_default=text("""'{"type": "default", "personality": "helpful", "expertise": []}'""")
    )
    had_editors: Mapped[bool] = mapped_column(server_default=text("false"))
    """Somebody beside the owner could write here at some time, so that its text may be another's."""

    __table_args__ = (
        UniqueConstraint("goal_id", "title"),
        ForeignKeyConstraint(
            ["goal_id", "user_id"], ["goals.id", "goals.user_id"], ondelete="CASCADE", name="spaces_goal_of_same_user"
        ),
        Index("idx_spaces_user_created_at", "user_id", "created_at", "id"),
        Index("idx_spaces_public", "id", postgresql_where=text("visibility = 'public'")),
    )


class Module(Identified, Timestamped, Base):
    """A piece of the content; `estimated_duration` is in minutes."""

    __tablename__ = "modules"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    description: Mapped[str | None]
    content_type: Mapped[str]
    content: Mapped[str | None]
    order_index: Mapped[int] = mapped_column(server_default="0")
    estimated_duration: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("id", "space_id", name="modules_tenant_key"),
        Index("idx_modules_space_order", "space_id", "order_index", "id"),
    )


class Task(Identified, Timestamped, Base):
    """Something to do in a space."""

    __tablename__ = "tasks"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), index=True)
    module_id: Mapped[UUID | None] = mapped_column(ForeignKey("modules.id", ondelete="SET NULL"), index=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending", index=True)
    due_date: Mapped[datetime | None] = mapped_column(index=True)
    priority: Mapped[str | None] = mapped_column(server_default="medium")

    __table_args__ = (
        ForeignKeyConstraint(
            ["module_id", "space_id"],
            ["modules.id", "modules.space_id"],
            ondelete="SET NULL (module_id)",
            name="tasks_module_of_same_space",
        ),
        Index("idx_tasks_space_created_at", "space_id", "created_at", "id"),
        Index(
            "idx_tasks_space_status_due",
            "space_id",
            "status",
            text("COALESCE(due_date, '3001-01-01 00:00:00+00'::timestamp with time zone)"),
            "id",
        ),
    )


class ModuleProgress(Identified, Timestamped, Base):
    """How far one person is with one module. The database keeps the two moments in step with the percentage."""

    __tablename__ = "module_progress"

    module_id: Mapped[UUID] = mapped_column(ForeignKey("modules.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    completion_percentage: Mapped[int] = mapped_column(server_default="0")
    last_interaction_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("module_id", "user_id"),)
