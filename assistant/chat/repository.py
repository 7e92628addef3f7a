"""The statements of runs. Hand-written: they run several times per turn, some forty times a second."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.mentor.actions.service import Answer
from assistant.mentor.citations import Citation
from assistant.mentor.events import Resumption

EventRow = tuple[UUID, int, bytes, int]
"""Run, number, event, epoch."""

StepRow = tuple[UUID, int, str, bytes, int]
"""Run, number, role, blocks as JSON, epoch."""

RunStatus = Literal["running", "awaiting_approval", "completed", "cancelled", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What every run begins with, whatever it answers."""

    space_id: UUID
    thread_id: str
    client_run_id: str
    channel: str
    provider: str
    first_event: bytes
    process: UUID
    lease: timedelta

    def around(self, *own: object) -> tuple[object, ...]:
        """The arguments of a function of the database that begins a run: `own` are those that it alone takes."""
        names = (self.space_id, self.thread_id, self.client_run_id)
        return (*names, *own, self.channel, self.provider, self.first_event.decode(), self.process, self.lease)


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A run that is stored, and with it all that it answers."""

    id: UUID
    client_run_id: str
    answer_id: UUID
    is_new: bool
    """False: the same was sent before, and began it then."""
    question: str
    """Empty where it resumes another run."""
    resumption: Resumption | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was stored: the rule that stood in the way, as the database names it."""

    rule: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its owner sees it. `client_run_id` is the name that clients know it by."""

    id: UUID
    client_run_id: str
    thread_id: str
    space_id: UUID
    status: RunStatus
    last_seq: int
    error: dict[str, Any] | None
    usage: list[dict[str, Any]] | None
    created_at: datetime
    finished_at: datetime | None
    is_folded: bool = False
    """Its events are gone; see `assistant.chat.folding`."""


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
    entries: Sequence[Mapping[str, Any]]
    """Rows of usage_logs: what was used, call by call."""
    error: Mapping[str, Any] | None
    citations: Sequence[Citation]
    steps: int
    """How many there must be by now."""
    shown: Sequence[UUID]
    """Chunks that the model was shown."""
    unfinished: str
    """The end of the text that is in no step, since the model did not finish: later turns are to know it."""


_BEGIN_TURN: Final = """
select outcome, run, run_name, answer_id from assistant.begin_turn(%s, %s, %s, %s, %s, %s, %s, %s::json, %s, %s)
"""

_BEGIN_BRANCH: Final = """
select outcome, run, run_name, answer_id
from assistant.begin_branch(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::json, %s, %s)
"""


async def begin_turn(
    database: Database,
    principal: Principal,
    opening: Opening,
    client_message_id: str,
    question: str,
    goes_back: tuple[str, str] | None,
) -> BegunRun | Refused:
    """Store question, key, run and first event as the caller, or nothing.

    `goes_back`: it `replaces` a message, or has one as its `parent`; None: it follows the last turn that is shown.
    """
    values = opening.around(client_message_id, question)
    if goes_back is None:
        [row] = await database.fetch(principal, _BEGIN_TURN, values)
    else:
        [row] = await database.fetch(principal, _BEGIN_BRANCH, (*goes_back, *values))
    return _begun(row, question)


_BEGIN_AGAIN: Final = """
select outcome, run, run_name, answer_id, question
from assistant.begin_again(%s, %s, %s, %s, %s, %s, %s::json, %s, %s)
"""


async def begin_again(database: Database, principal: Principal, opening: Opening, message: str) -> BegunRun | Refused:
    """Store a run that answers the question of that message anew, as the caller, or nothing."""
    [(*begun, question)] = await database.fetch(principal, _BEGIN_AGAIN, opening.around(message))
    return _begun(begun, question)


_RESUME_TURN: Final = """
select outcome, run, run_name, answer_id, resumed, continues, seen
from assistant.resume_turn(%s, %s, %s, %s::jsonb, %s, %s, %s::json, %s, %s)
"""


async def resume_turn(
    database: Database, principal: Principal, opening: Opening, answers: Sequence[Answer]
) -> BegunRun | Refused:
    """Store the answers, the run and its first event as the caller, or nothing."""
    rows = Jsonb([_answer_row(answer) for answer in answers])
    [(*begun, resumed, goes_on, shown)] = await database.fetch(principal, _RESUME_TURN, opening.around(rows))
    answered = frozenset(answer.action_id for answer in answers)
    return _begun(begun, "", Resumption(resumed, answered, bool(goes_on), shown or ()))


def _answer_row(answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {"id": str(answer.action_id), "approved": answer.approved}
    return row if answer.arguments is None else row | {"arguments": answer.arguments}


def _begun(row: Sequence[Any], question: str, resumption: Resumption | None = None) -> BegunRun | Refused:
    """`row`: outcome, and of the run that was begun its id, its name and its answer's id."""
    outcome, run_id, name, answer_id = row
    if outcome not in ("started", "repeated"):
        return Refused(outcome)
    return BegunRun(run_id, name, answer_id, outcome == "started", question, resumption)


_FIND_RUN: Final = """
select r.id, r.client_run_id, r.thread_id, r.space_id, r.status,
       coalesce(r.last_seq, (select max(e.seq) from assistant.run_events e where e.run_id = r.id), 0),
       r.error, r.usage, r.created_at, r.finished_at, r.folded_at is not null
from assistant.runs r where r.user_id = (select auth.uid()) and r.client_run_id = %s
"""


async def find_run(database: Database, principal: Principal, client_run_id: str) -> Run | None:
    """The caller's run of that name."""
    rows = await database.fetch(principal, _FIND_RUN, (client_run_id,))
    return Run(*rows[0]) if rows else None


BATCH_EVENTS: Final = 256
BATCH_BYTES: Final = 64 * 1024
"""What is read at a time for somebody who follows a run: it is held while they are slow to take it."""

_EVENTS_AFTER: Final = """
select e.text from (
    select e.seq, e.text, sum(octet_length(e.text)) over (order by e.seq) - octet_length(e.text) as bytes_before
    from (select e.seq, e.event::text from assistant.run_events e
          where e.run_id = %s and e.seq > %s order by e.seq limit %s) as e (seq, text)
) e
where e.bytes_before < %s order by e.seq
"""

_RUN_HAS_ENDED: Final = (
    "select finished_at is not null or status = 'awaiting_approval' from assistant.runs where id = %s"
)


async def events_after(database: Database, principal: Principal, run_id: UUID, after: int) -> tuple[list[bytes], bool]:
    """The next stored events of the caller's run with a number above `after`; where there are none: is that all?"""
    # Asked in this order: what ends between the two statements has its events in the next call.
    states, rows = await database.fetch_each(
        principal, (_RUN_HAS_ENDED, (run_id,)), (_EVENTS_AFTER, (run_id, after, BATCH_EVENTS, BATCH_BYTES))
    )
    ended = not states or bool(states[0][0])
    return [text.encode() for (text,) in rows], ended and not rows


_STORE: Final = """
with incoming as materialized (
    select * from unnest(%s::uuid[], %s::int[], %s::text[], %s::int[]) as e (run_id, seq, event, epoch)
), incoming_steps as materialized (
    select * from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[]) as s (run_id, n, role, blocks, epoch)
), stored as (
    insert into assistant.run_events (run_id, seq, event)
    select e.run_id, e.seq, e.event::json
    from incoming e join assistant.runs r on r.id = e.run_id and r.epoch = e.epoch and r.status = 'running'
    on conflict do nothing
    returning run_id
), steps as (
    insert into assistant.run_steps (run_id, n, role, blocks)
    select s.run_id, s.n, s.role, s.blocks::jsonb
    from incoming_steps s join assistant.runs r on r.id = s.run_id and r.epoch = s.epoch and r.status = 'running'
    on conflict do nothing
    returning run_id
), told as (
    select pg_notify('goalspace_events', l.run_id::text) from assistant.run_listeners l
    where l.run_id in (select run_id from stored) and l.process <> %s and l.until > now()
    group by l.run_id
)
select set_config('synchronous_commit', 'off', true),
       (select count(*) from stored) + (select count(*) from steps), (select count(*) from told),
       array(select i.run_id from incoming i group by i.run_id having min(i.seq) > 1 and not exists (
                 select 1 from assistant.run_events e where e.run_id = i.run_id and e.seq = min(i.seq) - 1)
             union
             select s.run_id from incoming_steps s group by s.run_id having min(s.n) > 0 and not exists (
                 select 1 from assistant.run_steps t where t.run_id = s.run_id and t.n = min(s.n) - 1))
"""

_NOT_OURS: Final = """
select e.run_id from unnest(%s::uuid[], %s::int[]) as e (run_id, epoch)
where not exists (select 1 from assistant.runs r where r.id = e.run_id and r.epoch = e.epoch and r.status = 'running')
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of rows that were to be stored."""

    lost: frozenset[UUID]
    """Runs that are not this process's any more: nothing of theirs was stored."""
    torn: frozenset[UUID]
    """Runs of which the row before the first of these is missing: a crash of the database took it."""


async def store(database: Database, events: Sequence[EventRow], steps: Sequence[StepRow], process: UUID) -> Stored:
    """Store numbered events and steps of several runs at once, and wake the processes that listen to them.

    Not waited for to reach the disk: it does with the next commit that is. Storing the same rows twice does nothing,
    so an uncertain commit can be repeated.
    """
    runs, seqs, texts, epochs = _columns(events, 4)
    of, numbers, roles, blocks, of_epochs = _columns(steps, 5)
    encoded = [text.decode() for text in texts], [text.decode() for text in blocks]
    values = (runs, seqs, encoded[0], epochs, of, numbers, roles, encoded[1], of_epochs, process)
    ((_, stored, _, torn),) = await database.fetch_as_service("run_log", _STORE, values)
    if stored == len(events) + len(steps):
        return Stored(frozenset(), frozenset(torn))
    lost = await database.fetch_as_service("run_log", _NOT_OURS, (runs + of, epochs + of_epochs))
    return Stored(frozenset(run_id for (run_id,) in lost), frozenset(torn))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


# Who the answer is for, and where, comes from the run: nothing of it is this statement's to choose.
_END_RUN: Final = """
with run as (
    update assistant.runs r
    set status = ended.status, last_seq = %(last_seq)s, usage = %(usage)s, error = %(error)s,
        finished_at = case when ended.status <> 'awaiting_approval' then now() end, shown = %(shown)s::uuid[]
    from (select case when %(status)s <> 'awaiting_approval' or exists (
                          select from assistant.mentor_actions a join assistant.runs o on o.id = %(run)s
                          where a.run_id = coalesce(o.resumes, o.id) and a.status = 'proposed')
                      then %(status)s else 'completed' end as status) as ended
    where r.id = %(run)s and r.epoch = %(epoch)s and r.status = 'running'
      and exists (select 1 from assistant.run_events e where e.run_id = %(run)s and e.seq = %(first_seq)s - 1)
      and (select count(*) from assistant.run_steps s where s.run_id = %(run)s) >= %(steps)s
    returning r.id, r.user_id, r.space_id, r.thread_id, r.answer_id, r.client_run_id, r.resumes, r.created_at,
              ended.status
), events as (
    insert into assistant.run_events (run_id, seq, event)
    select run.id, e.seq, e.event::json from run, unnest(%(seqs)s::int[], %(events)s::text[]) as e (seq, event)
), answer as (
    insert into public.chat_messages (id, space_id, user_id, is_from_user, message, metadata, thread_id, run_id)
    select answer_id, space_id, user_id, false, %(text)s,
           jsonb_build_object('run_id', client_run_id) || %(metadata)s, thread_id, id
    from run where resumes is null or %(status)s <> 'awaiting_approval' -- which then only tells what is still open
), unfinished as (
    insert into assistant.run_steps (run_id, n, role, blocks)
    select run.id, (select count(*) from assistant.run_steps s where s.run_id = %(run)s), 'assistant',
           jsonb_build_array(jsonb_build_object('type', 'text', 'text', %(unfinished)s::text))
    from run where %(unfinished)s::text <> ''
       and 'user' = (select s.role from assistant.run_steps s where s.run_id = %(run)s order by s.n desc limit 1)
), citations as (
    insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, heading, page,
                                     quote, start_offset, end_offset)
    select run.answer_id, c.index, run.id, run.user_id, c.chunk_id, c.document_id, c.title, c.heading, c.page,
           c.quote, c.start_offset, c.end_offset
    from run, unnest(%(cite_index)s::int[], %(cite_chunk)s::uuid[], %(cite_document)s::uuid[], %(cite_title)s::text[],
                     %(cite_heading)s::text[], %(cite_page)s::int[], %(cite_quote)s::text[], %(cite_start)s::int[],
                     %(cite_end)s::int[])
        as c (index, chunk_id, document_id, title, heading, page, quote, start_offset, end_offset)
), usage as (
    insert into public.usage_logs (user_id, resource_type, resource_id, action, tokens_used, details, period)
    select run.user_id, e.resource_type, e.resource_id, e.action, e.tokens_used, e.details,
           private.month_of(run.created_at)
    from run, jsonb_to_recordset(%(entries)s) as e (
        resource_type text, resource_id uuid, action text, tokens_used integer, details jsonb)
), told as (
    select pg_notify('goalspace_events', run.id::text) from run
    where exists (select 1 from assistant.run_listeners l
                  where l.run_id = run.id and l.process <> %(process)s and l.until > now())
)
select (select count(*) from run), (select count(*) from told)
"""


async def end_run(database: Database, job: Literal["store_answer", "sweep"], ending: Ending, process: UUID) -> bool:
    """Store the answer, its citations, its usage and the last events together, or nothing.

    False: the run is not ours to end, or a crash of the database has taken events or steps of it.
    """
    last = ending.first_seq + len(ending.events) - 1
    values: dict[str, Any] = {
        "status": ending.status,
        "last_seq": last,
        "usage": Jsonb(list(ending.usage)),
        "error": ending.error and Jsonb(ending.error),
        "run": ending.run_id,
        "epoch": ending.epoch,
        "first_seq": ending.first_seq,
        "steps": ending.steps,
        "seqs": list(range(ending.first_seq, last + 1)),
        "events": [event.decode() for event in ending.events],
        "text": ending.text,
        "metadata": Jsonb(ending.metadata),
        "unfinished": ending.unfinished,
        "entries": Jsonb(list(ending.entries)),
        "process": process,
        "shown": list(ending.shown) or None,
    }
    columns = _columns([_citation_values(citation) for citation in ending.citations], len(_CITATION_COLUMNS))
    values |= dict(zip(_CITATION_COLUMNS, columns, strict=True))
    ((ended, _),) = await database.fetch_as_service(job, _END_RUN, values)
    return bool(ended)


_CITATION_COLUMNS: Final = tuple(
    f"cite_{name}" for name in ("index", "chunk", "document", "title", "heading", "page", "quote", "start", "end")
)


def _citation_values(c: Citation) -> tuple[object, ...]:
    return (c.index, c.chunk_id, c.document_id, c.title, c.heading, c.page, c.quote, c.start, c.end)


_RENEW_LEASES: Final = """
update assistant.runs set lease_until = now() + %s
where id = any(%s) and process = %s and status = 'running'
returning id, cancel_requested_at is not null
"""


async def renew_leases(database: Database, runs: Sequence[UUID], process: UUID, lease: timedelta) -> dict[UUID, bool]:
    """Those of `runs` that are still this process's, each with whether its person has asked to stop it."""
    rows = await database.fetch_as_service("run_log", _RENEW_LEASES, (lease, list(runs), process))
    return dict(rows)


_TAKE_EXPIRED: Final = """
update assistant.runs set epoch = epoch + 1, process = %s, lease_until = now() + %s
where id = (select id from assistant.runs
            where status = 'running' and lease_until < now() and not id = any(%s)
            order by lease_until limit 1 for update skip locked)
returning id, client_run_id, user_id, epoch, answer_id, provider,
    (select coalesce(sum(length(s.blocks::text)), 0) from assistant.run_steps s
     where s.run_id = runs.id and s.role = 'user'),
    (select json_agg(e.event order by e.seq) from assistant.run_events e where e.run_id = runs.id),
    space_id, resumes is null,
    (select json_build_object('known', o.known, 'call', o.call) from assistant.reservations o where o.id = runs.id)
"""


@dataclass(frozen=True, slots=True)
class OrphanedRun:
    """A run whose process is gone, now ours."""

    id: UUID
    client_run_id: str
    user_id: UUID
    epoch: int
    answer_id: UUID
    provider: str
    characters_sent: int
    """Of what the model was told, as far as it was stored."""
    events: list[dict[str, Any]]
    space_id: UUID
    is_question: bool
    reserved: dict[str, Any] | None
    """`known`: entries of calls that had ended, `call`: that of one which had not, or was not known to have."""


async def take_expired(database: Database, ours: Sequence[UUID], process: UUID, lease: timedelta) -> OrphanedRun | None:
    """Take over one run, not of `ours`, whose lease has run out; its former process can write to it no more."""
    rows = await database.fetch_as_service("sweep", _TAKE_EXPIRED, (process, lease, list(ours)))
    return OrphanedRun(*rows[0]) if rows else None


_REQUEST_CANCEL: Final = "select pg_notify('goalspace_cancel', run::text) from assistant.request_cancel(%s)"


async def request_cancel(database: Database, principal: Principal, client_run_id: str) -> bool:
    """Record that the caller wants their run to stop, and tell all processes; False: there is no such run."""
    return bool(await database.fetch(principal, _REQUEST_CANCEL, (client_run_id,)))


_ANNOUNCE: Final = """
insert into assistant.run_listeners (run_id, process, until) values (%s, %s, now() + %s)
on conflict (run_id, process) do update set until = excluded.until
"""

_FORGET_LISTENERS: Final = "delete from assistant.run_listeners where until < now()"


async def announce_listener(database: Database, run_id: UUID, process: UUID, keep: timedelta) -> None:
    """Ask the process that writes this run to notify this one."""
    await database.fetch_as_service("run_log", _ANNOUNCE, (run_id, process, keep))


async def forget_listeners(database: Database) -> None:
    await database.fetch_as_service("sweep", _FORGET_LISTENERS)


SPACE_IS_VISIBLE: Final = "select exists (select 1 from public.spaces where id = %s)"


async def space_is_visible(database: Database, principal: Principal, space_id: UUID) -> bool:
    ((visible,),) = await database.fetch(principal, SPACE_IS_VISIBLE, (space_id,))
    return bool(visible)


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


async def lost_access(database: Database, pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Those of the pairs (user, space) in which the user may not, or no longer, see the space."""
    users, spaces = _columns(list(pairs), 2)
    rows = await database.fetch_as_service("resolve_user", _LOST_ACCESS, (users, spaces))
    return {(user_id, space_id) for user_id, space_id in rows}
