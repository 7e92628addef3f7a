"""Runs that ended a while ago: their events are folded into the stored message.

What is left of a run then is its row, the model's steps, the message and its citations. A replay is made from those:
a snapshot, in which the text comes in one go and tool calls are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from assistant.chat import events
from assistant.chat.events import Event, encode_event
from assistant.chat.log import MERGED_CHARACTERS
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import AssistantError

KEPT: Final = timedelta(days=7)
"""From a run's end on. Somebody who comes back later reads the message."""

BATCH: Final = 200
"""Runs that are folded in one transaction."""

_FOLD: Final = """
with old as (
    select id from assistant.runs where folded_at is null and finished_at < now() - %s
    order by finished_at limit %s for update skip locked
), gone as (
    delete from assistant.run_events e using old where e.run_id = old.id returning 1
), folded as (
    update assistant.runs r set folded_at = now() from old where r.id = old.id returning 1
)
select (select count(*) from folded), (select count(*) from gone)
"""

_FORGET: Final = """
with gone as (
    delete from assistant.runs where id = any (array(
        select id from assistant.runs where finished_at is not null and created_at < %s limit %s))
    returning 1
)
select count(*) from gone
"""


async def fold_finished(database: Database) -> tuple[int, int]:
    """Fold what is old enough: how many runs, and how many events they had."""
    runs = events_gone = 0
    while True:
        ((some, gone),) = await database.fetch_as_service("sweep", _FOLD, (KEPT, BATCH))
        runs, events_gone = runs + some, events_gone + gone
        if some < BATCH:
            return runs, events_gone


async def forget_runs(database: Database, before: date) -> int:
    """Delete the runs that began before that day (UTC) and have ended, with all that is theirs; how many."""
    runs = 0
    while True:
        ((some,),) = await database.fetch_as_service("sweep", _FORGET, (f"{before} 00:00+00", BATCH))
        runs += int(some)
        if some < BATCH:
            return runs


@dataclass(frozen=True, slots=True)
class FoldedRun:
    """What is left of a run."""

    client_run_id: str
    thread_id: str
    status: str
    error: dict[str, Any] | None
    usage: list[dict[str, Any]] | None
    answer_id: UUID
    created_at: datetime
    finished_at: datetime
    text: str | None
    """None: the person has deleted the answer."""
    notices: list[dict[str, Any]] | None
    citations: list[dict[str, Any]] | None


# The answer is stored between its run's beginning and its end: that tells the partition. A run that waited for an
# approval ends later than its answer was stored.
_FIND: Final = """
select r.client_run_id, r.thread_id, r.status, r.error, r.usage, r.answer_id, r.created_at, r.finished_at,
       m.message, m.metadata -> 'notices', (
           select json_agg(json_build_object(
               'index', c.index, 'chunk_id', c.chunk_id, 'document_id', c.document_id, 'title', c.title,
               'heading', c.heading, 'page', c.page, 'quote', c.quote, 'start', c.start_offset, 'end', c.end_offset)
               order by c.index)
           from assistant.citations c where c.message_id = r.answer_id)
from assistant.runs r left join public.chat_messages m
    on m.id = r.answer_id and m.created_at between r.created_at and r.finished_at
where r.id = %s and r.folded_at is not null
"""


async def find_folded(database: Database, principal: Principal, run_id: UUID) -> FoldedRun | None:
    """The caller's run, if it is folded."""
    rows = await database.fetch(principal, _FIND, (run_id,))
    return FoldedRun(*rows[0]) if rows else None


def snapshot(run: FoldedRun) -> list[bytes]:
    """Events that tell the run as it ended, numbered from 1."""
    told = [
        (run.created_at, events.run_started(run.thread_id, run.client_run_id)),
        *((run.finished_at, event) for event in _answer(run)),
        (run.finished_at, _last(run)),
    ]
    return [
        encode_event(event | {"timestamp": int(at.timestamp() * 1000)}, run.client_run_id, seq)
        for seq, (at, event) in enumerate(told, 1)
    ]


def _answer(run: FoldedRun) -> Sequence[Event]:
    notices = [events.custom(notice["name"], notice["value"]) for notice in run.notices or ()]
    if not run.text:
        return notices
    message, pieces = str(run.answer_id), range(0, len(run.text), MERGED_CHARACTERS)
    return [
        events.text_started(message),
        *(events.text_content(message, run.text[at : at + MERGED_CHARACTERS]) for at in pieces),
        *([events.custom("citations", run.citations)] if run.citations else []),
        events.text_ended(message),
        *notices,
    ]


def _last(run: FoldedRun) -> Event:
    usage = {"usage": run.usage or []}
    if run.error is not None:
        return events.run_error(AssistantError(run.error["message"], code=run.error["code"]), {}, "") | usage
    outcome = events.CANCELLED if run.status == "cancelled" else events.SUCCESS
    return events.run_finished(run.thread_id, run.client_run_id, outcome, {}, "") | usage
