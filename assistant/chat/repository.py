"""Every statement of conversations. Hand-written: they run several times per turn, some forty times a second."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb
from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.mentor.citations import Citation

EventRow = tuple[UUID, int, bytes, int]
"""Run, number, event, epoch."""


@dataclass(frozen=True, slots=True)
class BegunTurn:
    """What `assistant.begin_turn` said: `outcome` is `started`, `repeated` or the rule that stood in the way."""

    outcome: str
    run_id: UUID | None
    client_run_id: str | None
    question_id: UUID | None
    answer_id: UUID | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its owner sees it. `client_run_id` is the name that clients know it by."""

    id: UUID
    client_run_id: str
    thread_id: str
    space_id: UUID
    status: str
    last_seq: int
    error: dict[str, Any] | None
    usage: list[dict[str, Any]] | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends: everything that is stored with its last event."""

    run_id: UUID
    epoch: int
    status: str
    events: Sequence[bytes]
    first_seq: int
    text: str
    metadata: Mapping[str, Any]
    usage: Sequence[Mapping[str, Any]]
    tokens: int | None
    """Of all models together; None where nobody knows."""
    error: Mapping[str, Any] | None
    citations: Sequence[Citation]
    unfinished: str
    """The end of the text that is in no step, since the model did not finish: later turns are to know it."""


_BEGIN_TURN: Final = """
select outcome, run, run_name, question_id, answer_id
from assistant.begin_turn(%s, %s, %s, %s, %s, %s, %s, %s::json, %s, %s)
"""


def _rows(result: CursorResult[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result]


def _row(result: CursorResult[Any]) -> tuple[Any, ...] | None:
    """The only row, if there is one."""
    row = result.one_or_none()
    return None if row is None else tuple(row)


async def begin_turn(
    connection: AsyncConnection,
    *,
    space_id: UUID,
    thread_id: str,
    client_run_id: str,
    client_message_id: str,
    question: str,
    channel: str,
    provider: str,
    first_event: bytes,
    process: UUID,
    lease: timedelta,
) -> BegunTurn:
    """Store question, key, run and first event as the caller, or nothing."""
    values = (space_id, thread_id, client_run_id, client_message_id, question, channel, provider)
    result = await connection.exec_driver_sql(_BEGIN_TURN, (*values, first_event.decode(), process, lease))
    return BegunTurn(*_rows(result)[0])


_FIND_RUN: Final = """
select r.id, r.client_run_id, r.thread_id, r.space_id, r.status,
       coalesce(r.last_seq, (select max(e.seq) from assistant.run_events e where e.run_id = r.id), 0),
       r.error, r.usage, r.created_at, r.finished_at
from assistant.runs r where r.user_id = (select auth.uid()) and r.client_run_id = %s
"""


async def find_run(connection: AsyncConnection, client_run_id: str) -> Run | None:
    """The caller's run of that name."""
    row = _row(await connection.exec_driver_sql(_FIND_RUN, (client_run_id,)))
    return None if row is None else Run(*row)


_EVENTS_AFTER: Final = """
select e.event::text from assistant.run_events e where e.run_id = %s and e.seq > %s order by e.seq limit %s
"""

_RUN_HAS_ENDED: Final = (
    "select finished_at is not null or status = 'awaiting_approval' from assistant.runs where id = %s"
)


async def events_after(
    connection: AsyncConnection, run_id: UUID, after: int, limit: int = 1000
) -> tuple[list[bytes], bool]:
    """Stored events of the caller's run with a number above `after`, and whether there will be no more after them."""
    # Asked in this order: what ends between the two statements has its events in the next call.
    ended = (await connection.exec_driver_sql(_RUN_HAS_ENDED, (run_id,))).scalar()
    rows = (await connection.exec_driver_sql(_EVENTS_AFTER, (run_id, after, limit))).scalars().all()
    return [row.encode() for row in rows], ended is not False and len(rows) < limit


_STORE_EVENTS: Final = """
with incoming as materialized (
    select * from unnest(%s::uuid[], %s::int[], %s::text[], %s::int[]) as e (run_id, seq, event, epoch)
), stored as (
    insert into assistant.run_events (run_id, seq, event)
    select e.run_id, e.seq, e.event::json
    from incoming e join assistant.runs r on r.id = e.run_id and r.epoch = e.epoch and r.status = 'running'
    on conflict do nothing
    returning run_id
)
select set_config('synchronous_commit', 'off', true),
       (select count(*) from stored),
       array(select distinct l.run_id from assistant.run_listeners l
             where l.run_id = any(%s::uuid[]) and l.process <> %s and l.until > now())
"""

_NOTIFY: Final = "select pg_notify('goalspace_events', %s)"

_STILL_OURS: Final = """
select e.run_id from unnest(%s::uuid[], %s::int[]) as e (run_id, epoch)
where not exists (select 1 from assistant.runs r where r.id = e.run_id and r.epoch = e.epoch and r.status = 'running')
"""


async def store_events(connection: AsyncConnection, rows: Sequence[EventRow], process: UUID) -> frozenset[UUID]:
    """Store numbered events of several runs at once, and wake the processes that listen to them.

    Storing the same rows twice does nothing, so an uncertain commit can be repeated. Returns the runs that this
    process has lost: theirs were not stored.
    """
    runs, seqs, events, epochs = (list(column) for column in zip(*rows, strict=True))
    texts = [event.decode() for event in events]
    distinct = list(set(runs))
    result = await connection.exec_driver_sql(_STORE_EVENTS, (runs, seqs, texts, epochs, distinct, process))
    _, stored, listened = _rows(result)[0]
    for run_id in listened:
        await connection.exec_driver_sql(_NOTIFY, (str(run_id),))
    if stored == len(rows):
        return frozenset()
    lost = await connection.exec_driver_sql(_STILL_OURS, (runs, epochs))
    return frozenset(lost.scalars())


_APPEND_STEP: Final = """
insert into assistant.run_steps (run_id, n, role, blocks)
select r.id, %s, %s, %s from assistant.runs r where r.id = %s and r.epoch = %s and r.status = 'running'
"""


async def append_step(
    connection: AsyncConnection, run_id: UUID, epoch: int, n: int, role: str, blocks: Sequence[Mapping[str, Any]]
) -> bool:
    """Store a step; False: the run is no longer this process's."""
    result = await connection.exec_driver_sql(_APPEND_STEP, (n, role, Jsonb(list(blocks)), run_id, epoch))
    return result.rowcount == 1


_HISTORY: Final = """
with turns as (
    select r.id, r.created_at from assistant.runs r
    where r.user_id = (select auth.uid()) and r.space_id = %s and r.thread_id = %s and r.id <> %s
    order by r.created_at desc limit %s
)
select s.role, s.blocks from turns t join assistant.run_steps s on s.run_id = t.id order by t.created_at, t.id, s.n
"""


async def history(
    connection: AsyncConnection, space_id: UUID, thread_id: str, but_run: UUID, turns: int
) -> list[dict[str, Any]]:
    """Steps of the caller's last `turns` turns of a thread, oldest first, as messages."""
    result = await connection.exec_driver_sql(_HISTORY, (space_id, thread_id, but_run, turns))
    return [{"role": role, "content": blocks} for role, blocks in _rows(result)]


_END_RUN: Final = """
update assistant.runs set status = %s, last_seq = %s, usage = %s, error = %s, finished_at = now()
where id = %s and epoch = %s and status = 'running'
returning user_id, space_id, thread_id, answer_id, client_run_id
"""

_END_EVENTS: Final = """
insert into assistant.run_events (run_id, seq, event)
select %s, e.seq, e.event::json from unnest(%s::int[], %s::text[]) as e (seq, event)
"""

_STORE_ANSWER: Final = """
insert into public.chat_messages (id, space_id, user_id, is_from_user, message, metadata, thread_id, run_id)
values (%s, %s, %s, false, %s, %s, %s, %s)
"""

_STORE_UNFINISHED: Final = """
insert into assistant.run_steps (run_id, n, role, blocks)
select %(run)s, count(*), 'assistant', %(blocks)s from assistant.run_steps s where s.run_id = %(run)s
having count(*) > 0
"""

_STORE_CITATIONS: Final = """
insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, heading, page,
                                 quote, start_offset, end_offset)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_STORE_USAGE: Final = """
insert into public.usage_logs (user_id, resource_type, resource_id, action, tokens_used, details)
values (%s, 'space', %s, 'chat', %s, %s)
"""

_WAKE_LISTENERS: Final = """
select pg_notify('goalspace_events', %s)
where exists (select 1 from assistant.run_listeners l where l.run_id = %s and l.process <> %s and l.until > now())
"""


async def end_run(connection: AsyncConnection, ending: Ending, process: UUID) -> bool:
    """Store the answer, its citations, its usage and the last events together; False: the run was not ours to end."""
    last = ending.first_seq + len(ending.events) - 1
    values = (ending.status, last, Jsonb(list(ending.usage)), ending.error and Jsonb(ending.error))
    ended = await connection.exec_driver_sql(_END_RUN, (*values, ending.run_id, ending.epoch))
    row = _row(ended)
    if row is None:
        return False
    user_id, space_id, thread_id, answer_id, client_run_id = row
    numbers = list(range(ending.first_seq, last + 1))
    await connection.exec_driver_sql(_END_EVENTS, (ending.run_id, numbers, [e.decode() for e in ending.events]))
    metadata = Jsonb({"run_id": client_run_id, **ending.metadata})
    await connection.exec_driver_sql(
        _STORE_ANSWER, (answer_id, space_id, user_id, ending.text, metadata, thread_id, ending.run_id)
    )
    if ending.unfinished:
        blocks = Jsonb([{"type": "text", "text": ending.unfinished}])
        await connection.exec_driver_sql(_STORE_UNFINISHED, {"run": ending.run_id, "blocks": blocks})
    if ending.citations:
        rows = [(answer_id, c.index, ending.run_id, user_id, *_citation_values(c)) for c in ending.citations]
        await connection.exec_driver_sql(_STORE_CITATIONS, rows)
    if ending.usage:
        details = Jsonb({"run_id": client_run_id, "models": list(ending.usage)})
        await connection.exec_driver_sql(_STORE_USAGE, (user_id, space_id, ending.tokens, details))
    await connection.exec_driver_sql(_WAKE_LISTENERS, (str(ending.run_id), ending.run_id, process))
    return True


def _citation_values(c: Citation) -> tuple[object, ...]:
    return (c.chunk_id, c.document_id, c.title, c.heading, c.page, c.quote, c.start, c.end)


_RENEW_LEASES: Final = """
update assistant.runs set lease_until = now() + %s
where process = %s and status = 'running'
returning id, cancel_requested_at is not null
"""


async def renew_leases(connection: AsyncConnection, process: UUID, lease: timedelta) -> dict[UUID, bool]:
    """This process's runs, each with whether its person has asked to stop it."""
    result = await connection.exec_driver_sql(_RENEW_LEASES, (lease, process))
    return dict(_rows(result))


_TAKE_EXPIRED: Final = """
update assistant.runs set epoch = epoch + 1, process = %s, lease_until = now() + %s
where id = (select id from assistant.runs where status = 'running' and lease_until < now()
            order by lease_until limit 1 for update skip locked)
returning id, user_id, epoch, answer_id, provider,
    (select coalesce(sum(length(s.blocks::text)), 0) from assistant.run_steps s
     where s.run_id = runs.id and s.role = 'user')
"""

_ALL_EVENTS: Final = "select event::text from assistant.run_events where run_id = %s order by seq"


@dataclass(frozen=True, slots=True)
class OrphanedRun:
    """A run whose process is gone, now ours."""

    id: UUID
    user_id: UUID
    epoch: int
    answer_id: UUID
    provider: str
    characters_sent: int
    """Of what the model was told, as far as it was stored."""
    events: list[dict[str, Any]]


async def take_expired(connection: AsyncConnection, process: UUID, lease: timedelta) -> OrphanedRun | None:
    """Take over one run whose lease has run out; its former process can write to it no more."""
    row = _row(await connection.exec_driver_sql(_TAKE_EXPIRED, (process, lease)))
    if row is None:
        return None
    run_id, user_id, epoch, answer_id, provider, characters_sent = row
    events = (await connection.exec_driver_sql(_ALL_EVENTS, (run_id,))).scalars()
    decoded = [msgspec.json.decode(event) for event in events]
    return OrphanedRun(run_id, user_id, epoch, answer_id, provider, characters_sent, decoded)


_REQUEST_CANCEL: Final = "select run from assistant.request_cancel(%s)"
_NOTIFY_CANCEL: Final = "select pg_notify('goalspace_cancel', %s)"


async def request_cancel(connection: AsyncConnection, client_run_id: str) -> UUID | None:
    """Record that the caller wants their run to stop; None: there is no such run."""
    run_id: UUID | None = (await connection.exec_driver_sql(_REQUEST_CANCEL, (client_run_id,))).scalar_one_or_none()
    if run_id is not None:
        await connection.exec_driver_sql(_NOTIFY_CANCEL, (str(run_id),))
    return run_id


_ANNOUNCE: Final = """
insert into assistant.run_listeners (run_id, process, until) values (%s, %s, now() + %s)
on conflict (run_id, process) do update set until = excluded.until
"""

_FORGET_LISTENERS: Final = "delete from assistant.run_listeners where until < now()"


async def announce_listener(connection: AsyncConnection, run_id: UUID, process: UUID, keep: timedelta) -> None:
    """Ask the process that writes this run to notify this one."""
    await connection.exec_driver_sql(_ANNOUNCE, (run_id, process, keep))


async def forget_listeners(connection: AsyncConnection) -> None:
    await connection.exec_driver_sql(_FORGET_LISTENERS)


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
    status: str | None
    """How the run stands or how it ended."""
    citations: list[dict[str, Any]]


_LIST_MESSAGES: Final = """
select m.id, m.space_id, m.user_id, m.is_from_user, m.message, m.metadata, m.created_at, m.thread_id,
       r.client_run_id, r.status,
       case when m.is_from_user then '[]'::json else (
           select coalesce(json_agg(json_build_object(
               'index', c.index, 'chunk_id', c.chunk_id, 'document_id', c.document_id, 'title', c.title,
               'heading', c.heading, 'page', c.page, 'quote', c.quote, 'start', c.start_offset, 'end', c.end_offset)
               order by c.index), '[]'::json)
           from assistant.citations c where c.message_id = m.id) end
from public.chat_messages m left join assistant.runs r on r.id = m.run_id
where m.user_id = (select auth.uid()) and m.space_id = %(space)s
  and (%(thread)s::text is null or m.thread_id = %(thread)s)
  and (%(after_at)s::timestamptz is null or (m.created_at, m.id) > (%(after_at)s, %(after_id)s::uuid))
order by m.created_at, m.id
limit %(limit)s
"""


async def list_messages(
    connection: AsyncConnection, space_id: UUID, thread_id: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[StoredMessage]:
    """The caller's own messages in a space, oldest first."""
    after_at, after_id = after or (None, None)
    values = {"space": space_id, "thread": thread_id, "after_at": after_at, "after_id": after_id, "limit": limit}
    result = await connection.exec_driver_sql(_LIST_MESSAGES, values)
    return [StoredMessage(*row) for row in _rows(result)]


_SPACE_IS_VISIBLE: Final = "select exists (select 1 from public.spaces where id = %s)"


async def space_is_visible(connection: AsyncConnection, space_id: UUID) -> bool:
    return bool((await connection.exec_driver_sql(_SPACE_IS_VISIBLE, (space_id,))).scalar())


_LOST_ACCESS: Final = """
select p.user_id, p.space_id
from unnest(%s::uuid[], %s::uuid[]) as p (user_id, space_id)
where not exists (
    select 1 from public.users u join public.spaces s on s.id = p.space_id
    where u.id = p.user_id
      and (s.user_id = u.id or s.visibility = 'public' or (s.visibility = 'shared' and exists (
          select 1 from public.space_collaborators c
          where c.space_id = s.id and c.user_id = u.id and c.accepted_at is not null))))
"""


async def lost_access(connection: AsyncConnection, pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Those of the pairs (user, space) in which the user may not, or no longer, see the space."""
    users, spaces = (list(column) for column in zip(*pairs, strict=True))
    result = await connection.exec_driver_sql(_LOST_ACCESS, (users, spaces))
    return {(user_id, space_id) for user_id, space_id in _rows(result)}
