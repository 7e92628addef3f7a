"""Tables of conversations: what people see, and what their runs are made of. Statements on them are hand-written."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, BigInteger, ForeignKey, Index, SmallInteger, UniqueConstraint, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified

IN_ASSISTANT = {"schema": "assistant"}
RUNNING = text("status = 'running'")


class ChatMessage(Identified, Base):
    """A message as people see it; partitioned by month."""

    __tablename__ = "chat_messages"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    is_from_user: Mapped[bool] = mapped_column(server_default=text("true"))
    message: Mapped[str]
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    thread_id: Mapped[str | None]
    run_id: Mapped[UUID | None]

    __table_args__ = (
        Index("idx_chat_messages_space_user_created_at", "space_id", "user_id", "created_at", "id"),
        Index("idx_chat_messages_thread", "user_id", "space_id", "thread_id", "created_at", "id"),
    )


class RunRow(Base):
    """One answer of the mentor, from its question to its end."""

    __tablename__ = "runs"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"))
    thread_id: Mapped[str]
    client_run_id: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="web")
    status: Mapped[str] = mapped_column(server_default="running")
    question_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    answer_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    last_seq: Mapped[int | None]
    error: Mapped[dict[str, Any] | None]
    usage: Mapped[dict[str, Any] | None]
    provider: Mapped[str] = mapped_column(server_default="")
    process: Mapped[UUID]
    epoch: Mapped[int] = mapped_column(server_default="1")
    lease_until: Mapped[datetime]
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    folded_at: Mapped[datetime | None]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("assistant.runs.id", ondelete="SET NULL"))
    history_size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    resumes: Mapped[UUID | None] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"))
    goes_on: Mapped[bool] = mapped_column(server_default=text("false"))
    shown: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))

    __table_args__ = (
        UniqueConstraint("user_id", "client_run_id", name="runs_client_run_id_key"),
        Index("runs_one_active", "user_id", "space_id", "thread_id", unique=True, postgresql_where=RUNNING),
        Index("idx_runs_thread", "user_id", "space_id", "thread_id", "created_at"),
        Index("idx_runs_space_id", "space_id"),
        Index("idx_runs_lease", "lease_until", postgresql_where=RUNNING),
        Index("idx_runs_process", "process", postgresql_where=RUNNING),
        Index("idx_runs_waiting", "id", postgresql_where=text("status = 'awaiting_approval'")),
        Index("idx_runs_resumes", "resumes"),
        Index("runs_one_continuation", "resumes", unique=True, postgresql_where=text("goes_on")),
        Index(
            "idx_runs_unfolded",
            "finished_at",
            postgresql_where=text("folded_at is null and finished_at is not null"),
        ),
        Index("idx_runs_parent_id", "parent_id"),
        Index("runs_first", "user_id", "space_id", "thread_id", postgresql_where=text("parent_id is null")),
        IN_ASSISTANT,
    )


class RunEvent(Base):
    """An event of a run's log, byte for byte as it was sent."""

    __tablename__ = "run_events"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (IN_ASSISTANT,)


class RunStep(Base):
    """What the model saw or said, in the provider's own blocks."""

    __tablename__ = "run_steps"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    blocks: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (IN_ASSISTANT,)


class MessageKey(Base):
    """The client's id of a message: sent twice, it is stored once."""

    __tablename__ = "message_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    client_message_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"))
    message_hash: Mapped[bytes]

    __table_args__ = (Index("idx_message_keys_run_id", "run_id"), IN_ASSISTANT)


class CitationRow(Base):
    """What an answer was based on, as it stood then."""

    __tablename__ = "citations"

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    chunk_id: Mapped[UUID]
    document_id: Mapped[UUID]
    title: Mapped[str]
    heading: Mapped[str | None]
    page: Mapped[int | None]
    quote: Mapped[str]
    start_offset: Mapped[int]
    end_offset: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_citations_run_id", "run_id"), Index("idx_citations_user_id", "user_id"), IN_ASSISTANT)


class RunListener(Base):
    """A process that wants to hear of a run that another one carries out."""

    __tablename__ = "run_listeners"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    process: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[datetime]

    __table_args__ = (IN_ASSISTANT,)


class ThreadRow(Base):
    """A conversation: what it is called, and which of its branches is shown."""

    __tablename__ = "threads"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True)
    thread_id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    made_title: Mapped[str | None]
    active_run_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_message_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("threads_recent", "user_id", "space_id", "last_message_at", "thread_id"),
        Index("idx_threads_space_id", "space_id"),
        IN_ASSISTANT,
    )


class ThreadSummary(Base):
    """What was said in a turn and all that it follows, in short."""

    __tablename__ = "thread_summaries"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    summary: Mapped[str]
    tainted: Mapped[bool]
    turns: Mapped[int]
    tokens: Mapped[int]
    prompt_name: Mapped[str]
    prompt_version: Mapped[str]
    prompt_hash: Mapped[str]
    model: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_thread_summaries_user_id", "user_id"), IN_ASSISTANT)


class FeedbackRow(Base):
    """What a learner thinks of an answer."""

    __tablename__ = "feedback"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("assistant.runs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    value: Mapped[int] = mapped_column(SmallInteger)
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_feedback_user_id", "user_id"), IN_ASSISTANT)
