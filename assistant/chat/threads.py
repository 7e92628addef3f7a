"""Conversations as a whole: what can be listed of them, and how they are renamed, forgotten, taken along, deleted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.chat import messages
from assistant.chat.messages import StoredMessage
from assistant.chat.service import ChatService, RunActiveError
from assistant.chat.thread_schemas import SummaryRead, ThreadRead
from assistant.db.identity import Principal
from assistant.db.listing import Key, Listing
from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.mentor.claims.checking import NOTICE, tell_people

STOP_SECONDS: Final = 5.0
"""How long a deletion waits for an answer that is under way to be stopped. Whoever writes it finds its run gone."""

EXPORT_PAGE: Final = 50

_SOURCE: Final = """assistant.threads t
    left join lateral (
        select count(*) as message_count from public.chat_messages m
        where m.user_id = t.user_id and m.space_id = t.space_id and m.thread_id = t.thread_id) c on true
    left join lateral (select r.status from assistant.runs r where r.id = t.active_run_id offset 0) a on true"""
_COLUMNS: Final = (
    "t.space_id",
    "t.thread_id",
    "coalesce(t.title, t.made_title) as title",
    "t.title is not null as is_named",
    "c.message_count",
    "a.status",
    "t.created_at",
    "t.last_message_at",
)

_BY_NAME: Final = Key("t.thread_id", str, lambda thread: thread.thread_id)

THREADS: Final = Listing(
    name="threads",
    item=ThreadRead,
    source=_SOURCE,
    filters={
        "user_id": "t.user_id = %(user_id)s",
        "space_id": "t.space_id = %(space_id)s",
        "q": "coalesce(t.title, t.made_title, '') ilike %(q)s",
    },
    orders={
        "updated": (Key("t.last_message_at", datetime, lambda thread: thread.last_message_at), _BY_NAME),
        "created": (Key("t.created_at", datetime, lambda thread: thread.created_at), _BY_NAME),
    },
    parent="select 1 from public.spaces where id = %(space_id)s",
    noun="space",
    columns=_COLUMNS,
)

_OWN: Final = "t.user_id = (select auth.uid()) and t.space_id = %(space)s and t.thread_id = %(thread)s"
_FIND: Final = f"select {', '.join(_COLUMNS)} from {_SOURCE} where {_OWN}"  # noqa: S608 - texts of ours
_RENAME: Final = f"update assistant.threads t set title = %(title)s where {_OWN}"  # noqa: S608
_DELETE: Final = "select assistant.delete_thread(%s, %s)"
_RUNNING: Final = """
select r.id, r.client_run_id from assistant.runs r
where r.user_id = (select auth.uid()) and r.space_id = %s and r.thread_id = %s and r.status = 'running'
"""

# The summary that the branch which is shown stands on: the latest one of it.
_SUMMARY: Final = """
with recursive branch (id, parent_id, depth) as (
    select r.id, r.parent_id, 0 from assistant.threads t join assistant.runs r on r.id = t.active_run_id
    where t.user_id = (select auth.uid()) and t.space_id = %(space)s and t.thread_id = %(thread)s
    union all
    select r.id, r.parent_id, b.depth + 1 from branch b cross join lateral (
        select r.id, r.parent_id from assistant.runs r where r.id = b.parent_id offset 0) r
    where not exists (select from assistant.thread_summaries s where s.run_id = b.id offset 0)
)
select s.summary, s.turns, s.tainted, s.model, s.created_at from branch b
cross join lateral (select * from assistant.thread_summaries s where s.run_id = b.id offset 0) s
"""
_FORGET: Final = """
delete from assistant.thread_summaries s using assistant.runs r
where s.run_id = r.id and r.user_id = (select auth.uid()) and r.space_id = %(space)s and r.thread_id = %(thread)s
returning 1
"""


class NoThreadError(NotFoundError):
    """None of the caller's in that space."""

    def __init__(self) -> None:
        super().__init__("There is no such conversation.")


class ThreadService:
    """A thread is the caller's own. One that they do not have, or not any more, raises NotFoundError."""

    def __init__(self, database: Database, chat: ChatService) -> None:
        self._database = database
        self._chat = chat

    async def find(self, principal: Principal, space_id: UUID, thread_id: str) -> ThreadRead:
        rows = await self._database.fetch(principal, _FIND, {"space": space_id, "thread": thread_id})
        if not rows:
            raise NoThreadError
        return ThreadRead(*rows[0])

    async def rename(self, session: AsyncSession, space_id: UUID, thread_id: str, title: str | None) -> ThreadRead:
        """As the caller whose the session is. None: the name that was made is good enough."""
        connection = await session.connection()
        values = {"space": space_id, "thread": thread_id, "title": title}
        await connection.exec_driver_sql(_RENAME, values)
        return await self.read(session, space_id, thread_id)

    async def read(self, session: AsyncSession, space_id: UUID, thread_id: str) -> ThreadRead:
        """The same as `find`, with what the session has changed."""
        connection = await session.connection()
        row = (await connection.exec_driver_sql(_FIND, {"space": space_id, "thread": thread_id})).one_or_none()
        if row is None:
            raise NoThreadError
        return ThreadRead(*tuple(row))

    async def stop(self, principal: Principal, space_id: UUID, thread_id: str) -> None:
        """Stop the answer that is under way, and wait for its end, though not for long."""
        for run_id, client_run_id in await self._database.fetch(principal, _RUNNING, (space_id, thread_id)):
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._chat.cancel(principal, client_run_id)
                    async for _ in self._chat.follow(principal, run_id, 0):
                        pass

    async def delete(self, session: AsyncSession, space_id: UUID, thread_id: str) -> None:
        """With its messages, and all that was made of them; as the caller whose the session is."""
        connection = await session.connection()
        gone = await connection.exec_driver_sql(_DELETE, (space_id, thread_id))
        if not gone.scalar_one():
            raise NoThreadError

    async def summary(self, principal: Principal, space_id: UUID, thread_id: str) -> SummaryRead:
        """Raises NotFoundError (`no_summary`), too, while the whole conversation is told word for word."""
        await self.find(principal, space_id, thread_id)
        rows = await self._database.fetch(principal, _SUMMARY, {"space": space_id, "thread": thread_id})
        if not rows:
            raise NotFoundError("This conversation has no summary.", code="no_summary")
        return SummaryRead(*rows[0])

    async def forget_summary(self, principal: Principal, space_id: UUID, thread_id: str) -> None:
        """The next answer has a new one made, of the messages that there are."""
        await self.find(principal, space_id, thread_id)
        await self._database.fetch(principal, _FORGET, {"space": space_id, "thread": thread_id})

    async def rate(
        self, principal: Principal, message_id: UUID, value: int, comment: str | None
    ) -> tuple[int, str | None, datetime]:
        """What the caller thinks of an answer. Raises NotFoundError."""
        stored = await messages.rate(self._database, principal, message_id, value, comment)
        if stored is None:
            raise NotFoundError("There is no such answer.")
        return stored

    async def show_version(self, principal: Principal, message_id: UUID) -> StoredMessage:
        """Show and continue the branch of that message. Raises NotFoundError, ConflictError (`run_active`)."""
        outcome = await messages.show_version(self._database, principal, message_id)
        if outcome == "run_active":
            raise RunActiveError
        shown = await messages.find_message(self._database, principal, message_id) if outcome == "shown" else None
        if shown is None:
            raise NotFoundError("There is no such message.")
        return shown

    async def export(
        self, principal: Principal, space_id: UUID, thread_id: str, kind: Literal["markdown", "json"]
    ) -> AsyncIterator[bytes]:
        """The conversation in pieces, read a page at a time. Raises NotFoundError before the first."""
        thread = await self.find(principal, space_id, thread_id)
        return (_as_json if kind == "json" else _as_markdown)(thread, self._pages(principal, thread, kind == "json"))

    async def _pages(
        self, principal: Principal, thread: ThreadRead, all_versions: bool
    ) -> AsyncIterator[list[StoredMessage]]:
        after: tuple[datetime, UUID] | None = None
        while True:
            page = await messages.list_messages(
                self._database,
                principal,
                thread.space_id,
                thread.thread_id,
                after,
                EXPORT_PAGE,
                all_versions=all_versions,
            )
            if page is None:  # they have lost the space meanwhile: what was sent is not whole, and does not look so
                raise NoThreadError
            if page:
                yield page
                after = page[-1].created_at, page[-1].id
            if len(page) < EXPORT_PAGE:
                return


async def _as_json(thread: ThreadRead, pages: AsyncIterator[list[StoredMessage]]) -> AsyncIterator[bytes]:
    """One document: all versions of all messages. Without its last member it is not whole."""
    head = {"format": 1, "exported_at": datetime.now(UTC), "thread": thread}
    yield msgspec.json.encode(head)[:-1] + b',"messages":['
    separator = b""
    async for page in pages:
        for message in page:
            yield separator + b"\n" + msgspec.json.encode(message)
            separator = b","
    yield b'\n],"complete":true}\n'


async def _as_markdown(thread: ThreadRead, pages: AsyncIterator[list[StoredMessage]]) -> AsyncIterator[bytes]:
    """For reading: the branch that is shown, with its sources."""
    yield f"# {_line(thread.title or thread.thread_id)}\n".encode()
    async for page in pages:
        for message in page:
            yield _section(message).encode()


def _section(message: StoredMessage) -> str:
    who = "Learner" if message.is_from_user else "Mentor"
    parts = [f"\n## {who} · {message.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC\n", f"\n{message.message}\n"]
    if message.status in ("cancelled", "failed", "interrupted") and not message.is_from_user:
        parts.append(f"\n*({message.status})*\n")
    parts += [f"\n*({tell_people(value)})*\n" for value in _contradictions(message)]
    if message.citations:
        parts.append("\n")
        parts += [f"[{each['index']}] {_source(each)}\n" for each in message.citations]
    return "".join(parts)


def _contradictions(message: StoredMessage) -> Iterator[dict[str, Any]]:
    """What the answer claims and did not do."""
    for notice in (message.metadata or {}).get("notices", ()):
        if notice["name"] == NOTICE:
            yield notice["value"]


def _source(citation: dict[str, object]) -> str:
    where = _line(str(citation["heading"] or citation["title"]))
    page = f", page {citation['page']}" if citation["page"] else ""
    return f"{where}{page}: “{_line(str(citation['quote']))}”  "


def _line(text: str) -> str:
    return " ".join(text.split())
