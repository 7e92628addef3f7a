"""The rules for posts. Each function runs as the person whose session it is given; nobody in particular may read."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.blog.models import BlogPost
from assistant.blog.slugs import candidates
from assistant.db.errors import DuplicateError, as_known_error
from assistant.db.rows import delete_row, insert_row, update_row
from assistant.errors import ConflictError, NotFoundError

NOUN: Final = "post"

MAX_POSTS: Final = 5_000
"""Of one author."""

_GET: Final = text("""
select p.id, p.author_id, p.title, p.slug, p.excerpt, p.published, p.published_at, p.created_at, p.updated_at,
       p.content, a.full_name, a.avatar_url
from public.blog_posts p left join lateral public.blog_authors(array[p.author_id]) a on true
where p.slug = :slug
""")


async def get_post(session: AsyncSession, slug: str) -> Row[Any]:
    """With its author's name. Raises NotFoundError."""
    found = (await session.execute(_GET, {"slug": slug})).one_or_none()
    if found is None:
        raise NotFoundError(f"There is no such {NOUN}.")
    return found


async def write_post(session: AsyncSession, me: UUID, values: dict[str, Any]) -> str:
    """Its slug. Raises ConflictError: the slug that the author chose is taken, or they have too many posts."""
    mine = select(func.count()).where(BlogPost.author_id == me)
    if (await session.scalar(mine) or 0) >= MAX_POSTS:
        raise ConflictError(f"One author has at most {MAX_POSTS:,} posts: delete some first.", code="too_many_posts")
    values = {"author_id": me, **values}
    if "slug" not in values:
        return await _write_under_free_slug(session, values)
    try:
        return (await insert_row(session, BlogPost, values)).slug
    except DuplicateError as exc:
        raise _slug_taken() from exc


async def change_post(session: AsyncSession, slug: str, changes: dict[str, Any]) -> str:
    """Its slug from now on. Raises NotFoundError, ForbiddenError, ConflictError."""
    post_id = (await get_post(session, slug)).id
    try:
        return (await update_row(session, BlogPost, post_id, changes, NOUN)).slug
    except DuplicateError as exc:
        raise _slug_taken() from exc


async def delete_post(session: AsyncSession, slug: str) -> None:
    """Raises NotFoundError, ForbiddenError."""
    await delete_row(session, BlogPost, (await get_post(session, slug)).id, NOUN)


async def _write_under_free_slug(session: AsyncSession, values: dict[str, Any]) -> str:
    """What others keep as drafts takes slugs, too, and is not to be seen: so it is tried."""
    for slug in candidates(values["title"]):
        statement = upsert(BlogPost).values(**values, slug=slug).on_conflict_do_nothing(index_elements=["slug"])
        with as_known_error():
            made: str | None = await session.scalar(statement.returning(BlogPost.slug))
        if made is not None:
            return made
    raise AssertionError("there is always another one")


def _slug_taken() -> ConflictError:
    return ConflictError("A post has this slug already; choose another.", code="slug_taken")
