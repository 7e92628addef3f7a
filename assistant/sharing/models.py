"""Tables of working together: who belongs to a space, and what is said about its content."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped


class SpaceCollaborator(Identified, Timestamped, Base):
    """A member of a space; an invitee until `accepted_at` is set."""

    __tablename__ = "space_collaborators"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(server_default="viewer")
    invited_at: Mapped[datetime] = mapped_column(server_default=func.now())
    accepted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("space_id", "user_id"),
        Index("idx_space_collaborators_user_id", "user_id", "space_id"),
    )


class Invitation(Identified, Timestamped, Base):
    """To an address, whether or not somebody here has it. It goes when it is taken up, declined or withdrawn.

    `for_account` and `secret_hash` are not for those who invite: the service and the database's functions see them.
    """

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"))
    email: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="viewer")
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    for_account: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[bytes]
    expires_at: Mapped[datetime] = mapped_column(server_default=text("(now() + '14 days'::interval)"))

    __table_args__ = (UniqueConstraint("space_id", "email"), {"schema": "assistant"})


class Comment(Identified, Timestamped, Base):
    """Said about a module, a document or a task. `space_id` and `depth` are found by triggers."""

    __tablename__ = "comments"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    resource_type: Mapped[str]
    resource_id: Mapped[UUID]
    content: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    space_id: Mapped[UUID | None] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"))
    depth: Mapped[int] = mapped_column(SmallInteger, server_default="0")

    __table_args__ = (
        UniqueConstraint("id", "resource_type", "resource_id", name="comments_tenant_key"),
        ForeignKeyConstraint(
            ["parent_id", "resource_type", "resource_id"],
            ["comments.id", "comments.resource_type", "comments.resource_id"],
            ondelete="CASCADE",
            name="comments_parent_on_same_resource",
        ),
        Index("idx_comments_resource", "resource_type", "resource_id", "created_at", "id"),
        Index("idx_comments_parent_id", "parent_id", "resource_type", "resource_id"),
        Index("idx_comments_space_id", "space_id"),
    )
