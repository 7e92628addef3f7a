"""What the mentor proposed and did: the table, and a row of it as its person sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base


class MentorAction(Base):
    """A write that the model asked for."""

    __tablename__ = "mentor_actions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"))
    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"))
    call_id: Mapped[str]
    tool: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    proposed_arguments: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    status: Mapped[str]
    effect: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    answered_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    executed_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("run_id", "call_id", name="mentor_actions_call_key"),
        Index("idx_mentor_actions_user_id", "user_id", text("created_at DESC"), text("id DESC")),
        Index("idx_mentor_actions_space_id", "space_id", "user_id", text("created_at DESC"), text("id DESC")),
        Index(
            "idx_mentor_actions_open",
            "status",
            "expires_at",
            postgresql_where=text("status in ('proposed', 'approved')"),
        ),
        {"schema": "assistant"},
    )


ActionStatus = Literal["proposed", "approved", "rejected", "expired", "executed", "failed", "undone"]
Reason = Literal["policy", "foreign_text"]


@dataclass(frozen=True, slots=True)
class Action:
    """A write that the model asked for, and what has become of it."""

    id: UUID
    space_id: UUID
    thread_id: str
    run_id: UUID
    client_run_id: str
    call_id: str
    tool: str
    arguments: dict[str, Any]
    was_edited: bool
    reason: Reason | None
    status: ActionStatus
    effect: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    executed_at: datetime | None
    undone_at: datetime | None
