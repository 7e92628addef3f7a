"""Comments over HTTP. Those of a public space may be read without signing in."""

from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import Guard
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.entity_tags import Preconditions
from assistant.errors import NotFoundError
from assistant.http import signed_in, to_schema, visible
from assistant.idempotency import idempotent
from assistant.pagination import Page, Paginator
from assistant.sharing import comments
from assistant.sharing.models import Comment
from assistant.sharing.schemas import CommentChange, CommentCreate, CommentRead, ResourceType

_STATEMENTS: Final[dict[ResourceType, LiteralString]] = {
    "module": "select 1 from public.modules where id = %s",
    "document": "select 1 from public.documents where id = %s",
    "task": "select 1 from public.tasks where id = %s",
}

sees_comment = visible(Comment, "comment_id", comments.NOUN)


def sees_resource(kind: ResourceType) -> Guard:
    """As `visible`, for tables of features that build on this one."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        database: Database = connection.app.state.services.database
        if not await database.fetch(connection.user, _STATEMENTS[kind], (connection.path_params["resource_id"],)):
            raise NotFoundError(f"There is no such {kind}.")

    return guard


def comments_on(kind: ResourceType) -> type[Controller]:
    """The comments on resources of one kind."""
    name = kind.capitalize()

    class ResourceCommentController(Controller):
        path = f"/api/{comments.TABLES[kind]}/{{resource_id:uuid}}/comments"
        tags = ("comments",)

        @get("/", operation_id=f"List{name}Comments")
        async def list_comments(
            self,
            resource_id: FromPath[UUID],
            principal: NamedDependency[Principal],
            db_session: NamedDependency[AsyncSession],
            paginator: NamedDependency[Paginator],
            parent_id: FromQuery[UUID | None] = None,
            top_level: Annotated[bool, QueryParameter(description="Leave out replies.")] = False,
        ) -> Page[CommentRead]:
            """All that was said, the oldest first, replies among the rest: each comes after what it answers.
            `parent_id` shows the replies to one comment.
            """
            scope = ("comments", resource_id, parent_id, top_level)
            after: Any = paginator.after(*scope)
            rows = await comments.list_comments(
                db_session,
                kind,
                resource_id,
                limit=paginator.limit + 1,
                signed_in=principal.user_id is not None,
                parent_id=parent_id,
                top_level=top_level,
                after=after,
            )
            return paginator.page([to_schema(row, CommentRead) for row in rows], *scope)

        @post("/", operation_id=f"Create{name}Comment", guards=[signed_in, sees_resource(kind)])
        @idempotent
        async def create_comment(
            self,
            resource_id: FromPath[UUID],
            data: JSONBody[CommentCreate],
            me: NamedDependency[UUID],
            db_session: NamedDependency[AsyncSession],
        ) -> CommentRead:
            """Say something, or answer a comment on the same thing. For members of the space."""
            made = await comments.add_comment(db_session, me, kind, resource_id, data.content, data.parent_id)
            return await _read(db_session, made, signed_in=True)

    return ResourceCommentController


class CommentController(Controller):
    path = "/api/comments/{comment_id:uuid}"
    tags = ("comments",)

    @get("/", operation_id="GetComment")
    async def get_comment(
        self,
        comment_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        db_session: NamedDependency[AsyncSession],
    ) -> CommentRead:
        """One comment."""
        return await _read(db_session, comment_id, signed_in=principal.user_id is not None)

    @patch("/", operation_id="UpdateComment", guards=[signed_in, sees_comment])
    async def update_comment(
        self,
        comment_id: FromPath[UUID],
        data: JSONBody[CommentChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> CommentRead:
        """Change what one has said. For its author."""
        await _hold(preconditions, db_session, comment_id)
        await comments.change_comment(db_session, comment_id, data.changes())
        return await _read(db_session, comment_id, signed_in=True)

    @delete("/", operation_id="DeleteComment", guards=[signed_in])
    async def delete_comment(
        self,
        comment_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Take back what one has said, with the replies to it. The space's owner and admins may do so for others."""
        await _hold(preconditions, db_session, comment_id)
        await comments.delete_comment(db_session, comment_id)


async def _read(session: AsyncSession, comment_id: UUID, *, signed_in: bool) -> CommentRead:
    return to_schema(await comments.get_comment(session, comment_id, signed_in=signed_in), CommentRead)


async def _hold(preconditions: Preconditions, session: AsyncSession, comment_id: UUID) -> None:
    await preconditions.hold(session, Comment.id == comment_id, lambda: _read(session, comment_id, signed_in=True))
