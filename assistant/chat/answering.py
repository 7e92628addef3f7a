"""One run, from its question to its last event: the mentor's words become events, and all of it is stored."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol
from uuid import UUID, uuid4

import structlog

from assistant.chat import events, repository
from assistant.chat.events import Event
from assistant.chat.history import History, read_history
from assistant.chat.log import LeaseLostError, RunLog
from assistant.chat.tending import tend_later
from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.errors import AssistantError, UnavailableError
from assistant.llm.events import Block, TextDelta, ToolInputDelta, ToolUseStarted
from assistant.mentor.events import (
    Budget,
    MentorEvent,
    Message,
    Notice,
    Resumption,
    ToolResult,
    ToolUseEnded,
    Turn,
    TurnRecord,
)
from assistant.usage.entries import Entry, turn_entry

log = structlog.get_logger(__name__)

STORE_TRIES: Final = 40
STORE_PAUSE_SECONDS: Final = 0.5
"""An ending waits this often and long for a database that is away; after that the sweep finds the run."""


class AnswerInterruptedError(AssistantError):
    """The process that answered is gone, or is going."""

    status_code, code = 503, "interrupted"

    def __init__(self) -> None:
        super().__init__("The server stopped in the middle of this answer. What was written so far is kept.")


class Mentor(Protocol):
    """What a run needs of the mentor."""

    provider: str
    """Who answers: a model provider, or `offline`."""

    def answer(self, turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        """See assistant/mentor/events.py."""
        ...


@dataclass(slots=True)
class LiveRun:
    """A run that this process carries out."""

    id: UUID
    client_run_id: str
    thread_id: str
    space_id: UUID
    user_id: UUID
    answer_id: UUID
    question: str
    """Empty where it resumes another run."""
    log: RunLog
    resumption: Resumption | None = None
    stopped_by: Literal["cancelled", "interrupted"] = "interrupted"
    """Why its task was cancelled, if it was."""
    began: float = field(default_factory=time.monotonic)
    history: History | None = None
    """What the mentor was told of earlier turns, once it has asked."""


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """The thread of a run, as the mentor reads and continues it."""

    run: LiveRun
    database: Database

    async def history(self) -> list[Message]:
        self.run.history = await read_history(self.database, learner(self.run.user_id), self.run.id)
        return list(self.run.history.messages)

    def append(self, role: Literal["user", "assistant"], blocks: list[Block]) -> None:
        self.run.log.append_step(role, blocks)

    async def stored(self) -> None:
        await self.run.log.settled()


class Telling:
    """Turns what the mentor says into events, and knows what is still open."""

    def __init__(self, run_log: RunLog, message_id: str) -> None:
        self._log = run_log
        self._message_id = message_id
        self._text_open = False
        self._tools_open: list[str] = []
        self.first_text_at: float | None = None

    def tell(self, event: MentorEvent) -> None:
        match event:
            case TextDelta(text):
                self._open_text()
                self._log.append(events.text_content(self._message_id, text))
            case ToolUseStarted(id, name):
                self._tools_open.append(id)
                self._log.append(events.tool_started(id, name, self._message_id))
            case ToolInputDelta(id, partial_json):
                self._log.append(events.tool_arguments(id, partial_json))
            case ToolUseEnded(id):
                self._tools_open.remove(id)
                self._log.append(events.tool_ended(id))
            case ToolResult(id, name, content, data):
                self._log.append(events.tool_result(id, str(uuid4()), content))
                self._log.append(events.custom("tool_result", {"tool_call_id": id, "tool": name, "data": data}))
            case Notice(name, value):
                self._log.append(events.custom(name, value))

    def _open_text(self) -> None:
        if not self._text_open:
            self._text_open = True
            self.first_text_at = time.monotonic()
            self._log.append(events.text_started(self._message_id))

    def closing(self, record: TurnRecord) -> list[Event]:
        """What must come before the last event of a run."""
        return closing_events(self._message_id, self._tools_open, self._text_open, record)


def closing_events(message_id: str, tools_open: Sequence[str], text_open: bool, record: TurnRecord) -> list[Event]:
    closed = [events.tool_ended(call_id) for call_id in tools_open]
    if text_open:
        if record.citations:
            closed.append(events.citations(record.citations))
        closed.append(events.text_ended(message_id))
    return closed


async def carry_out(
    run: LiveRun, mentor: Mentor, budget: Budget, database: Database, process: UUID, seconds: float
) -> None:
    """Answer the question of a run and end it, whatever happens; `seconds` is the longest that it may take."""
    record = TurnRecord(provider=mentor.provider)
    telling = Telling(run.log, str(run.answer_id))
    conversation = StoredConversation(run, database)
    turn = Turn(learner(run.user_id), run.space_id, run.question, conversation, run.id, run.resumption, budget)
    status, error = await _answer(run, mentor, turn, record, telling, seconds)
    if isinstance(error, LeaseLostError):
        return  # whoever has it now ends it
    ending = asyncio.ensure_future(_end(run, record, telling, status, error, database, process))
    while not ending.done():
        # A second cancellation, as at shutdown, must not stop the ending from being stored.
        with suppress(asyncio.CancelledError):
            await asyncio.wait((ending,))
    if failure := ending.exception():
        log.warning("run_left_to_sweep", run=str(run.id), exc_info=failure)
        run.log.fence()


async def _answer(
    run: LiveRun, mentor: Mentor, turn: Turn, record: TurnRecord, telling: Telling, seconds: float
) -> tuple[str, AssistantError | None]:
    """Status and error of the run, once the mentor has no more to say."""
    try:
        async with asyncio.timeout(seconds), aclosing(mentor.answer(turn, record)) as answer:
            async for event in answer:
                telling.tell(event)
    except TimeoutError:
        return "failed", AssistantError(f"The answer took longer than {seconds:.0f} seconds.", code="turn_timeout")
    except asyncio.CancelledError:
        return run.stopped_by, AnswerInterruptedError() if run.stopped_by == "interrupted" else None
    except AssistantError as error:
        return "failed", error
    except Exception:
        # The edge of a run: whatever broke, the person is told, and the log has the traceback.
        log.exception("run_failed", run=str(run.id))
        return "failed", AssistantError("The mentor could not answer because of a fault of this service.")
    return "awaiting_approval" if record.waiting else "completed", None


async def _end(
    run: LiveRun,
    record: TurnRecord,
    telling: Telling,
    status: str,
    error: AssistantError | None,
    database: Database,
    process: UUID,
) -> None:
    async with asyncio.timeout(STORE_TRIES * STORE_PAUSE_SECONDS):
        await run.log.settled()
    run.log.held = True
    last = [*telling.closing(record), _last_event(run, record, status, error)]
    facts, is_question = latency(run, telling), run.resumption is None
    ending = build_ending(run.log, run.id, run.space_id, last, record, status, error, facts, is_question=is_question)
    await _store(ending, run.log, database, process)
    run.log.publish(len(ending.events))
    run.log.end()
    if status in ("completed", "cancelled"):
        await _have_tended(run, database)


async def _have_tended(run: LiveRun, database: Database) -> None:
    """Ask for what the thread lacks by now. The answer is stored and told: nothing here can harm it."""
    if run.history is not None and run.history.wants_tending(run.log.step_bytes):
        try:
            await tend_later(database, run.id)
        except AssistantError as error:
            log.warning("thread_not_tended", run=str(run.id), code=error.code)


def _last_event(run: LiveRun, record: TurnRecord, status: str, error: AssistantError | None) -> Event:
    if error is not None:
        return events.run_error(error, record.usage, record.provider)
    match status:
        case "awaiting_approval":
            outcome = events.interrupt(record.waiting)
        case "cancelled":
            outcome = events.CANCELLED
        case _:
            outcome = events.SUCCESS
    return events.run_finished(run.thread_id, run.client_run_id, outcome, record.usage, record.provider)


def latency(run: LiveRun, telling: Telling) -> dict[str, int]:
    """Milliseconds from the question to the first text and to the end."""
    facts = {"latency_ms": int((time.monotonic() - run.began) * 1000)}
    if telling.first_text_at is not None:
        facts["first_text_ms"] = int((telling.first_text_at - run.began) * 1000)
    return facts


def build_ending(
    run_log: RunLog,
    run_id: UUID,
    space_id: UUID,
    last: Sequence[Event],
    record: TurnRecord,
    status: str,
    error: AssistantError | None,
    facts: dict[str, Any],
    *,
    is_question: bool,
) -> repository.Ending:
    """Everything that is stored with the last events; takes their numbers from the log.

    `is_question`: it began with a question, which counts for the learner's plan.
    """
    used = log_entries(record, status) if is_question else record.entries
    for event in last:
        run_log.append(event)
    numbered = list(run_log.number())
    told = None if error is None else {"code": error.code, "message": error.detail}
    usage = events.token_usage(record.usage, record.provider)
    metadata: dict[str, Any] = {
        "status": status,
        "provider": record.provider,
        "model": record.model,
        "prompt": record.prompt,
        "stop_reason": record.stop_reason,
        "rounds": record.rounds,
        "usage": usage,
        "usage_estimated": record.estimated,
        "proposed": [str(action.id) for action in record.waiting],
        "notices": [{"name": notice.name, "value": notice.value} for notice in record.notices],
        "error": told,
        **facts,
    }
    return repository.Ending(
        run_id=run_id,
        epoch=run_log.epoch,
        status=status,
        events=numbered,
        first_seq=len(run_log.stored) + 1,
        text=record.text,
        metadata=metadata,
        usage=usage,
        entries=[entry.row(space_id, run_log.client_run_id) for entry in used],
        error=told,
        citations=record.citations,
        steps=run_log.step_count,
        shown=record.shown,
        unfinished=record.text[record.text_in_steps :],
    )


def log_entries(record: TurnRecord, status: str) -> list[Entry]:
    """What is logged of a run. It counts as a message, unless the service failed before it had said a word."""
    counts = record.text or status not in ("failed", "interrupted")
    return [*record.entries, turn_entry(status)] if counts else record.entries


async def _store(ending: repository.Ending, run_log: RunLog, database: Database, process: UUID) -> None:
    """Store an ending, waiting for a database that is away. Raises LeaseLostError, or the last error."""
    for tries_left in reversed(range(STORE_TRIES)):
        try:
            if await repository.end_run(database, "store_answer", ending, process):
                return
            stored = await repository.store(database, *run_log.stored_rows(), process)
            if stored.lost or not tries_left:
                raise LeaseLostError
            log.warning("events_stored_again", run=str(ending.run_id))
        except UnavailableError as error:
            log.warning("answer_not_stored", run=str(ending.run_id), code=error.code, tries_left=tries_left)
            if not tries_left:
                raise
            await asyncio.sleep(STORE_PAUSE_SECONDS)
