"""The table of messages that wait to be sent, and of those that were."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified


class Notice(Identified, Base):
    """Whom and what about, never what it says: that is read when it is sent, and by then may no longer be wanted."""

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    invitation_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("assistant.invitations.id", ondelete="CASCADE"), index=True
    )
    collaborator_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("space_collaborators.id", ondelete="CASCADE"), index=True
    )
    day: Mapped[date | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default="0")
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("idx_outbox_due_at", "due_at", postgresql_where=text("sent_at is null and failed_at is null")),
        Index("outbox_one_digest_a_day", "user_id", "day", unique=True, postgresql_where=text("kind = 'due_tasks'")),
        {"schema": "assistant"},
    )
