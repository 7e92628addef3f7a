"""What the upkeep remembers of itself."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base

IN_ASSISTANT = {"schema": "assistant"}


class UpkeepStep(Base):
    """When a step was last done."""

    __tablename__ = "upkeep"

    step: Mapped[str] = mapped_column(primary_key=True)
    finished_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seconds: Mapped[float]
    outcome: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (IN_ASSISTANT,)


class SummaryChange(Base):
    """A statement whose effect `space_summaries` does not show yet."""

    __tablename__ = "summary_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    __table_args__ = (IN_ASSISTANT,)
