"""Tables of the service itself, which belong to no feature."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base


class StoredAnswer(Base):
    """The answer to a POST with an `Idempotency-Key`, for whoever sends it again within a day."""

    __tablename__ = "stored_answers"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    request: Mapped[bytes] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[bytes]
    etag: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_stored_answers_created_at", "created_at"), {"schema": "assistant"})


class RateLimit(Base):
    """A bucket of tokens: when it will be full again, if nobody takes one. A crash of the server empties the table."""

    __tablename__ = "rate_limits"

    bucket: Mapped[bytes] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]

    __table_args__ = (
        Index("idx_rate_limits_full_at", "full_at"),
        {"schema": "assistant", "prefixes": ["UNLOGGED"]},
    )
