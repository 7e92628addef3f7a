"""What can be listed of posts, without their content."""

from datetime import datetime
from typing import Any, Final, LiteralString

from assistant.blog.excerpts import make_excerpt
from assistant.blog.schemas import PostAuthor, PostItem
from assistant.db.listing import BY_CREATION, ID, Listing, column, contained_in, date_or_never

_COLUMNS: Final = (*PostItem.__struct_fields__[:-1], "beginning", "full_name", "avatar_url")

_POSTS: LiteralString = (
    "(select p.id, p.author_id, p.title, p.slug, p.excerpt, p.published, p.published_at, p.created_at, p.updated_at,"
    " left(p.content, 2000) as beginning, a.full_name, a.avatar_url"
    " from public.blog_posts p left join lateral public.blog_authors(array[p.author_id]) a on true"
)


def make_item(*row: Any) -> PostItem:
    """From a row of these columns."""
    post = dict(zip(_COLUMNS, row, strict=True))
    beginning, name, picture = post.pop("beginning"), post.pop("full_name"), post.pop("avatar_url")
    author = None if post["author_id"] is None else PostAuthor(post["author_id"], name, picture)
    return PostItem(**{**post, "excerpt": post["excerpt"] or make_excerpt(beginning)}, author=author)


POSTS: Final = Listing(
    name="posts",
    item=PostItem,
    source=f"{_POSTS} where p.published and p.published_at <= now()) p",
    filters={"author_id": "author_id = %(author_id)s", "q": contained_in("title", "excerpt")},
    orders={**BY_CREATION, "published": (column("published_at", datetime), ID)},
    columns=_COLUMNS,
    make=make_item,
)
"""What is public now."""

OWN_POSTS: Final = Listing(
    name="own posts",
    item=PostItem,
    source=f"{_POSTS} where p.author_id = (select auth.uid())) p",
    filters={**POSTS.filters, "published": "published = %(published)s"},
    orders={**BY_CREATION, "published": (date_or_never("published_at"), ID)},
    columns=_COLUMNS,
    make=make_item,
)
"""The person's own, drafts included."""
