"""What goes over the wire about posts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.blog.slugs import MAX_SLUG, SLUG_PATTERN
from assistant.http import Incoming, Moment, Outgoing, Title

Slug = Annotated[str, Meta(min_length=1, max_length=MAX_SLUG, pattern=SLUG_PATTERN, examples=["how-to-tie-a-bowline"])]
PostContent = Annotated[str, Meta(min_length=1, max_length=2_000_000, description="Markdown.")]
Excerpt = Annotated[str, Meta(min_length=1, max_length=2_000)]
PostOrder = Literal["published", "-published", "created", "-created", "updated", "-updated", "title", "-title"]


class PostCreate(Incoming):
    """Without a `slug` one is made from the title. A date in the future hides a published post until then."""

    title: Title
    content: PostContent
    slug: Slug | UnsetType = UNSET
    excerpt: Excerpt | UnsetType | None = UNSET
    published: bool | UnsetType = UNSET
    published_at: Moment | UnsetType | None = UNSET


class PostChange(Incoming):
    """A post keeps its slug when its title changes: it stands in links."""

    title: Title | UnsetType = UNSET
    content: PostContent | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    excerpt: Excerpt | UnsetType | None = UNSET
    published: bool | UnsetType = UNSET
    published_at: Moment | UnsetType | None = UNSET


class PostAuthor(Outgoing):
    id: UUID
    full_name: str | None
    avatar_url: str | None


class PostItem(Outgoing):
    """A post in a list, without its content. Without an author: who wrote it is gone.

    `excerpt` is the author's, else the beginning of the content. The public sees it once it is `published` and
    `published_at` has come.
    """

    unversioned = ("author",)

    id: UUID
    author_id: UUID | None
    title: str
    slug: str
    excerpt: str
    published: bool
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    author: PostAuthor | None


class PostRead(PostItem):
    content: str
