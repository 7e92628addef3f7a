"""Posts over HTTP. What is published is for everybody; authors write."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.connection import ASGIConnection, Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.blog import service
from assistant.blog.excerpts import make_excerpt
from assistant.blog.feed import ENTRIES, MEDIA_TYPE, write_feed
from assistant.blog.lists import OWN_POSTS, POSTS
from assistant.blog.models import BlogPost
from assistant.blog.schemas import PostAuthor, PostChange, PostCreate, PostItem, PostOrder, PostRead
from assistant.db.identity import ANONYMOUS
from assistant.db.session import Database
from assistant.entity_tags import Preconditions
from assistant.errors import NotFoundError, UnauthorizedError
from assistant.http import signed_in, to_schema
from assistant.idempotency import idempotent
from assistant.pagination import ORDER_DESCRIPTION, Page, Paginator, SearchText

POST_BODY_BYTES: Final = 9 * 1024 * 1024
"""Two million characters of content, and the rest."""

FEED_SECONDS: Final = 300


async def sees_post(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """As `visible`, by the slug."""
    database: Database = connection.app.state.services.database
    slug = connection.path_params["slug"]
    statement = "select 1 from public.blog_posts where slug = %s"
    if not await database.fetch(connection.user, statement, (slug,)):
        raise NotFoundError("There is no such post.")


class BlogController(Controller):
    path = "/api/blog"
    tags = ("blog",)

    @get("/posts", operation_id="ListPosts")
    async def list_posts(
        self,
        paginator: NamedDependency[Paginator],
        mine: Annotated[bool, QueryParameter(description="The caller's own, drafts included.")] = False,
        published: FromQuery[bool | None] = None,
        author_id: FromQuery[UUID | None] = None,
        q: SearchText = None,
        order: Annotated[PostOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "-published",
    ) -> Page[PostItem]:
        """What is public, without the contents; unless `order` says otherwise, the newest first. `q` is looked for in
        titles and excerpts. `published` tells drafts from the others among the caller's own.
        """
        if not mine:
            return await paginator.read(POSTS, order, author_id=author_id, q=q)
        if paginator.principal.user_id is None:
            raise UnauthorizedError("Sign in to see your own posts.")
        return await paginator.read(OWN_POSTS, order, published=published, author_id=author_id, q=q)

    @post("/posts", operation_id="CreatePost", guards=[signed_in], request_max_body_size=POST_BODY_BYTES)
    @idempotent
    async def create_post(
        self, data: JSONBody[PostCreate], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> PostRead:
        """Write a post, a draft unless it is `published`. 409 `slug_taken` where the slug that was sent is taken."""
        return await _read(db_session, await service.write_post(db_session, me, data.changes()))

    @get("/posts/{slug:str}", operation_id="GetPost")
    async def get_post(self, slug: FromPath[str], db_session: NamedDependency[AsyncSession]) -> PostRead:
        """One post: a public one, or one of the caller's own."""
        return await _read(db_session, slug)

    @patch(
        "/posts/{slug:str}",
        operation_id="UpdatePost",
        guards=[signed_in, sees_post],
        request_max_body_size=POST_BODY_BYTES,
    )
    async def update_post(
        self,
        slug: FromPath[str],
        data: JSONBody[PostChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> PostRead:
        """Change what is sent, leave the rest; publish it, take it back, put it off. For its author."""
        await preconditions.hold(db_session, BlogPost.slug == slug, lambda: _read(db_session, slug))
        return await _read(db_session, await service.change_post(db_session, slug, data.changes()))

    @delete("/posts/{slug:str}", operation_id="DeletePost", guards=[signed_in])
    async def delete_post(
        self,
        slug: FromPath[str],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a post. For its author."""
        await preconditions.hold(db_session, BlogPost.slug == slug, lambda: _read(db_session, slug))
        await service.delete_post(db_session, slug)

    @get("/feed.xml", operation_id="GetFeed", media_type=MEDIA_TYPE)
    async def get_feed(self, request: Request[Any, Any, State], database: NamedDependency[Database]) -> Response[bytes]:
        """The newest twenty public posts as an Atom feed."""
        statement = POSTS.statement((), "-published", resumed=False)
        posts = POSTS.read(await database.fetch(ANONYMOUS, statement, {"limit": ENTRIES}))
        base = request.app.state.services.settings.public_url or str(request.base_url)
        caching = {"cache-control": f"public, max-age={FEED_SECONDS}"}
        return Response(write_feed(posts, base.rstrip("/")), media_type=MEDIA_TYPE, headers=caching)


async def _read(session: AsyncSession, slug: str) -> PostRead:
    row = (await service.get_post(session, slug))._mapping
    author = None if row["author_id"] is None else PostAuthor(row["author_id"], row["full_name"], row["avatar_url"])
    excerpt = row["excerpt"] or make_excerpt(row["content"])
    return to_schema({**row, "excerpt": excerpt, "author": author}, PostRead)
