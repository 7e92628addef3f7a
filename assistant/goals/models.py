"""The table of goals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped


class Goal(Identified, Timestamped, Base):
    """What a learner wants to reach."""

    __tablename__ = "goals"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str]
    description: Mapped[str | None]
    category: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="active")
    priority: Mapped[int | None] = mapped_column(server_default="0")
    due_date: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("user_id", "title"),
        UniqueConstraint("id", "user_id", name="goals_tenant_key"),
        Index("idx_goals_created_at", "created_at"),
        Index("idx_goals_user_created_at", "user_id", "created_at", "id"),
    )
