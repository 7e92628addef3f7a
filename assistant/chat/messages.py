"""What people see of conversations: messages with their sources, their versions, and what was thought of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from assistant.chat.repository import SPACE_IS_VISIBLE, RunStatus
from assistant.db.identity import Principal
from assistant.db.session import Database


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: UUID
    space_id: UUID
    user_id: UUID
    is_from_user: bool
    message: str
    metadata: dict[str, Any] | None
    created_at: datetime
    thread_id: str | None
    run_id: str | None
    """The run's name for clients."""
    status: RunStatus | None
    """How the run stands or how it ended."""
    citations: list[dict[str, Any]]
    versions: list[UUID]
    """The messages that stand in the place of this one, itself among them, the oldest first."""
    feedback: dict[str, Any] | None
    is_active: bool
    """On the branch of its thread that is shown."""
    follows: UUID | None
    """The message that it comes after."""


# A run that carries out what was approved has no question, and is a version of nothing.
_COLUMNS: LiteralString = """
select m.id, m.space_id, m.user_id, m.is_from_user, m.message, m.metadata, m.created_at, m.thread_id,
       r.client_run_id, r.status,
       case when m.is_from_user then '[]'::json else (
           select coalesce(json_agg(json_build_object(
               'index', c.index, 'chunk_id', c.chunk_id, 'document_id', c.document_id, 'title', c.title,
               'heading', c.heading, 'page', c.page, 'quote', c.quote, 'start', c.start_offset, 'end', c.end_offset)
               order by c.index), '[]'::json)
           from assistant.citations c where c.message_id = m.id) end,
       coalesce((
           select array_agg(v.id order by v.since, v.id) from (
               select case when m.is_from_user then s.question_id else s.answer_id end, min(s.created_at)
               from (select s.* from assistant.runs s where s.parent_id = r.parent_id
                     union all
                     select s.* from assistant.runs s
                     where r.parent_id is null and s.parent_id is null and s.user_id = r.user_id
                       and s.space_id = r.space_id and s.thread_id = r.thread_id) s
               where s.resumes is null and r.resumes is null and (m.is_from_user or s.question_id = r.question_id)
               group by 1) v (id, since)), array[m.id]),
       case when not m.is_from_user then (
           select json_build_object('value', f.value, 'comment', f.comment, 'updated_at', f.updated_at)
           from assistant.feedback f where f.run_id = r.id) end,
       coalesce(r.is_active, true),
       case when m.is_from_user then (select p.answer_id from assistant.runs p where p.id = r.parent_id)
            else r.question_id end
from public.chat_messages m left join assistant.runs r on r.id = m.run_id
"""

# Without an "or" in it that a plan for all cases would have to keep open: the time prunes the months before it, and the
# index on (space_id, user_id, created_at, id), or that of the thread, begins where the page does.
_OF_CALLER: LiteralString = _COLUMNS + "where m.user_id = (select auth.uid()) and m.space_id = %(space)s\n"
_OF_THREAD: LiteralString = "  and m.thread_id = %(thread)s\n"
_SHOWN: LiteralString = "  and coalesce(r.is_active, true)\n"
_PAGE: LiteralString = """
  and m.created_at >= %(after_at)s and (m.created_at, m.id) > (%(after_at)s, %(after_id)s)
order by m.created_at, m.id
limit %(limit)s
"""
_BEGINNING: Final = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every message."""


async def list_messages(
    database: Database,
    principal: Principal,
    space_id: UUID,
    thread_id: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    all_versions: bool = False,
) -> list[StoredMessage] | None:
    """The caller's own messages in a space, oldest first; None: they may not see the space.

    Of each thread the branch that is shown, or with `all_versions` everything.
    """
    after_at, after_id = after or _BEGINNING
    values = {"space": space_id, "thread": thread_id, "after_at": after_at, "after_id": after_id, "limit": limit}
    statement: LiteralString = (
        _OF_CALLER + ("" if thread_id is None else _OF_THREAD) + ("" if all_versions else _SHOWN) + _PAGE
    )
    ((visible,),), rows = await database.fetch_each(principal, (SPACE_IS_VISIBLE, (space_id,)), (statement, values))
    return [StoredMessage(*row) for row in rows] if visible else None


_ONE: LiteralString = _COLUMNS + "where m.user_id = (select auth.uid()) and m.id = %s"


async def find_message(database: Database, principal: Principal, message_id: UUID) -> StoredMessage | None:
    """The caller's own message of that id."""
    rows = await database.fetch(principal, _ONE, (message_id,))
    return StoredMessage(*rows[0]) if rows else None


_RATE: Final = """
insert into assistant.feedback as f (run_id, user_id, value, comment)
select r.id, r.user_id, %(value)s, %(comment)s
from public.chat_messages m join assistant.runs r on r.id = m.run_id
where m.id = %(message)s and m.user_id = (select auth.uid()) and r.user_id = m.user_id and not m.is_from_user
on conflict (run_id) do update set value = excluded.value, comment = excluded.comment
returning f.value, f.comment, f.updated_at
"""


async def rate(
    database: Database, principal: Principal, message_id: UUID, value: int, comment: str | None
) -> tuple[int, str | None, datetime] | None:
    """Store what the caller thinks of an answer to them, in the place of what they thought; None: there is none."""
    rows = await database.fetch(principal, _RATE, {"message": message_id, "value": value, "comment": comment})
    return rows[0] if rows else None


_SHOW_VERSION: Final = "select assistant.show_version(%s)"


async def show_version(database: Database, principal: Principal, message_id: UUID) -> str:
    """Show the branch that the message is on: `shown`, `not_found` or `run_active`."""
    ((outcome,),) = await database.fetch(principal, _SHOW_VERSION, (message_id,))
    return str(outcome)
