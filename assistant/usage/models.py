"""The table of what was used."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified


class UsageLog(Identified, Base):
    """One use of something that costs; partitioned by month."""

    __tablename__ = "usage_logs"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    resource_type: Mapped[str]
    resource_id: Mapped[UUID | None]
    action: Mapped[str]
    tokens_used: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    details: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("idx_usage_logs_user_id", "user_id", text("created_at DESC")),)
