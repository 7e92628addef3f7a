"""The table of blog posts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped


class BlogPost(Identified, Timestamped, Base):
    """Public once it is `published` and `published_at` has come. Without an author: who wrote it is gone."""

    __tablename__ = "blog_posts"

    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    title: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    content: Mapped[str]
    excerpt: Mapped[str | None]
    published: Mapped[bool] = mapped_column(server_default=text("false"))
    published_at: Mapped[datetime | None]

    __table_args__ = (Index("idx_blog_posts_published_at", "published_at", "id", postgresql_where=text("published")),)
