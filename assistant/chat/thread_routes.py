"""Conversations as a whole over HTTP, and what is said about single answers."""

from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import UNSET
from sqlalchemy import ColumnElement, and_
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.chat.models import ThreadRow
from assistant.chat.schemas import MessageRead
from assistant.chat.thread_schemas import Feedback, FeedbackRead, SummaryRead, ThreadChange, ThreadRead
from assistant.chat.threads import THREADS, ThreadService
from assistant.db.identity import Principal
from assistant.entity_tags import Preconditions
from assistant.http import name_in_path, signed_in, to_schema
from assistant.pagination import ORDER_DESCRIPTION, Page, Paginator, SearchText

_FILES: Final = {"markdown": ("text/markdown; charset=utf-8", "md"), "json": ("application/json", "json")}


def _row(space_id: UUID, thread_id: str) -> ColumnElement[bool]:
    """Of the caller, since nobody sees another's."""
    return and_(ThreadRow.space_id == space_id, ThreadRow.thread_id == thread_id)


class ThreadController(Controller):
    path = "/api/spaces/{space_id:uuid}/threads"
    guards = (signed_in,)
    opt = {"scope": "chat"}  # noqa: RUF012 - the framework's attribute, read when the application is built
    tags = ("chat",)

    @get("/", operation_id="ListThreads")
    async def list_threads(
        self,
        space_id: FromPath[UUID],
        paginator: NamedDependency[Paginator],
        q: SearchText = None,
        order: Annotated[
            Literal["updated", "-updated", "created", "-created"], QueryParameter(description=ORDER_DESCRIPTION)
        ] = "-updated",
    ) -> Page[ThreadRead]:
        """The caller's conversations in a space, the last used first."""
        return await paginator.read(THREADS, order, q=q, user_id=paginator.me, space_id=space_id)

    @get("/{thread_id:str}", operation_id="GetThread")
    async def get_thread(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
    ) -> ThreadRead:
        """One conversation of the caller."""
        return await threads.find(principal, space_id, name_in_path(thread_id))

    @patch("/{thread_id:str}", operation_id="RenameThread")
    async def rename_thread(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        data: JSONBody[ThreadChange],
        db_session: NamedDependency[AsyncSession],
        threads: NamedDependency[ThreadService],
        preconditions: NamedDependency[Preconditions],
    ) -> ThreadRead:
        """Give a conversation a name; null: the one that was made."""
        name = name_in_path(thread_id)
        await preconditions.hold(db_session, _row(space_id, name), lambda: threads.read(db_session, space_id, name))
        if data.title is UNSET:
            return await threads.read(db_session, space_id, name)
        return await threads.rename(db_session, space_id, name, data.title)

    @delete("/{thread_id:str}", operation_id="DeleteThread")
    async def delete_thread(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        principal: NamedDependency[Principal],
        db_session: NamedDependency[AsyncSession],
        threads: NamedDependency[ThreadService],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a conversation with its messages and all that was made of them. An answer under way is stopped."""
        name = name_in_path(thread_id)
        if not preconditions.given:  # else it might be stopped for nothing: then it is left without a run to write to
            await threads.stop(principal, space_id, name)
        await preconditions.hold(db_session, _row(space_id, name), lambda: threads.read(db_session, space_id, name))
        await threads.delete(db_session, space_id, name)

    @get("/{thread_id:str}/export", operation_id="ExportThread", media_type="text/markdown")
    async def export_thread(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
        format: Annotated[Literal["markdown", "json"], QueryParameter(description="For people, or all of it.")] = (
            "markdown"
        ),
    ) -> Stream:
        """A conversation as a file: Markdown has what is shown, JSON all versions. Both have the sources."""
        pieces = await threads.export(principal, space_id, name_in_path(thread_id), format)
        media_type, ending = _FILES[format]
        headers = {"content-disposition": f'attachment; filename="conversation.{ending}"'}
        return Stream(pieces, media_type=media_type, headers=headers)

    @get("/{thread_id:str}/summary", operation_id="GetThreadSummary")
    async def get_summary(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
    ) -> SummaryRead:
        """What the mentor keeps in mind of the turns that it is not told word for word any more."""
        return await threads.summary(principal, space_id, name_in_path(thread_id))

    @delete("/{thread_id:str}/summary", operation_id="ForgetThreadSummary")
    async def forget_summary(
        self,
        space_id: FromPath[UUID],
        thread_id: FromPath[str],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
    ) -> None:
        """Have it made anew, of the messages that there are, after the next answer."""
        await threads.forget_summary(principal, space_id, name_in_path(thread_id))


class MessageController(Controller):
    path = "/api/messages/{message_id:uuid}"
    guards = (signed_in,)
    opt = {"scope": "chat"}  # noqa: RUF012 - the framework's attribute, read when the application is built
    tags = ("chat",)

    @post("/feedback", operation_id="RateMessage", status_code=200)
    async def rate_message(
        self,
        message_id: FromPath[UUID],
        data: JSONBody[Feedback],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
    ) -> FeedbackRead:
        """Thumbs for an answer of the mentor, with a comment perhaps; it replaces what was said before."""
        value, comment, updated_at = await threads.rate(principal, message_id, data.value, data.comment)
        return FeedbackRead(message_id, value, comment, updated_at)

    @post("/activate", operation_id="ActivateMessage", status_code=200)
    async def activate_message(
        self,
        message_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        threads: NamedDependency[ThreadService],
    ) -> MessageRead:
        """Show this version of a message, with what came after it; the conversation goes on from there.

        409 `run_active` while an answer is under way.
        """
        return to_schema(await threads.show_version(principal, message_id), MessageRead)
