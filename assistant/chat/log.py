"""The event log: an event is numbered when it is stored, and sent when it is stored.

A run appends to its RunLog. One LogWriter per process stores what all logs hold in one statement: the first event at
once, then at most every 25 ms. Pieces of one text that meet before they are numbered become one event. Listeners read
the stored events from memory, each at its own pace: a slow one holds nobody up and costs no memory.

Nobody waits for the disk, so a crash of the database may take the last few events, which listeners have seen: the next
ones find their place empty, and then they are stored again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec
import structlog

from assistant.chat import repository
from assistant.chat.events import Event, encode_event
from assistant.chat.repository import BATCH_EVENTS, EventRow, StepRow
from assistant.db.session import Database
from assistant.errors import AssistantError, UnavailableError
from assistant.llm.events import Block

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 0.025
"""Between two flushes of text: it looks like typing, and 2,000 pieces a second become 40 statements."""

HURRY_SECONDS: Final = 0.004
"""The same where something waits that should not: the first words of an answer, a tool, a step."""

RETRY_SECONDS: Final = 0.5
"""Between two tries while the database does not answer."""

MERGED_CHARACTERS: Final = 8 * 1024
"""An event is not made longer than this, so that it can be held for somebody who is slow to take it."""

MAX_UNSTORED_BYTES: Final = 1024 * 1024
"""A run whose events cannot be stored may go on for this long."""

_OF_ONE_TEXT = {"TEXT_MESSAGE_CONTENT": "messageId", "TOOL_CALL_ARGS": "toolCallId"}


class LeaseLostError(AssistantError):
    """Another process has taken the run over; this one may not write to it any more."""

    code = "lease_lost"

    def __init__(self) -> None:
        super().__init__("The answer was taken over by another process.")


class LogFullError(AssistantError):
    """The database has been away for longer than a run can go on without it."""

    status_code, code = 503, "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The answer could not be stored, so it was stopped.")


@dataclass(slots=True)
class RunLog:
    """The events of one run that this process writes. `stored[i]` has the number i + 1."""

    run_id: UUID
    client_run_id: str
    user_id: UUID
    epoch: int
    stored: list[bytes]
    ended: bool = False
    """The last event is stored: nothing follows."""
    fenced: bool = False
    held: bool = False
    """The run itself stores what is left, together with its answer; the writer keeps off."""
    _waiting: list[Event] = field(default_factory=list)
    _steps: list[StepRow] = field(default_factory=list)
    _steps_stored: int = 0
    _numbered: list[bytes] = field(default_factory=list)
    _unstored_bytes: int = 0
    _text_begun: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event | None = None
    _wake: asyncio.Event | None = None

    def append(self, event: Event) -> None:
        """Add an event; it is sent once it is stored. Raises LeaseLostError, LogFullError."""
        if self.fenced:
            raise LeaseLostError
        if self._unstored_bytes > MAX_UNSTORED_BYTES:
            raise LogFullError
        key = _OF_ONE_TEXT.get(event["type"])
        if key is not None:
            self._unstored_bytes += len(event["delta"])
            last = self._waiting[-1] if self._waiting else None
            if (
                last is not None
                and last["type"] == event["type"]
                and last[key] == event[key]
                and len(last["delta"]) < MERGED_CHARACTERS
            ):
                last["delta"] += event["delta"]
                return
        self._waiting.append(event)
        self._call_writer(hurry=event["type"] != "TEXT_MESSAGE_CONTENT" or not self._text_begun)
        self._text_begun = self._text_begun or event["type"] == "TEXT_MESSAGE_CONTENT"

    def append_step(self, role: str, blocks: Sequence[Block]) -> None:
        """Add a step of the model's history. Raises LeaseLostError."""
        if self.fenced:
            raise LeaseLostError
        self._steps.append((self.run_id, len(self._steps), role, msgspec.json.encode(blocks), self.epoch))
        self._call_writer(hurry=False)

    def hurry(self) -> None:
        """Somebody waits for what was appended to be stored."""
        self._call_writer(hurry=True)

    def _call_writer(self, *, hurry: bool) -> None:
        if self._wake is not None and self._hurry is not None:
            self._wake.set()
            if hurry:
                self._hurry.set()

    @property
    def step_count(self) -> int:
        return len(self._steps)

    @property
    def step_bytes(self) -> int:
        """Of all steps so far, much as the database counts them."""
        return sum(len(blocks) for _, _, _, blocks, _ in self._steps)

    def new_steps(self) -> list[StepRow]:
        return self._steps[self._steps_stored :]

    def stored_rows(self) -> tuple[list[EventRow], list[StepRow]]:
        """All that the database was given so far."""
        events = [(self.run_id, seq, event, self.epoch) for seq, event in enumerate(self.stored, start=1)]
        return events, self._steps[: self._steps_stored]

    def number(self) -> Sequence[bytes]:
        """Give all waiting events their numbers. Numbers stay, however often it takes to store them."""
        first = len(self.stored) + len(self._numbered) + 1
        self._numbered += [encode_event(event, self.client_run_id, first + i) for i, event in enumerate(self._waiting)]
        self._waiting.clear()
        return self._numbered

    def publish(self, count: int, steps: int = 0) -> None:
        """The first `count` numbered events and `steps` steps are stored: let the listeners have them."""
        self.stored += self._numbered[:count]
        self._steps_stored += steps
        del self._numbered[:count]
        if not self._numbered:
            self._unstored_bytes = 0
        self._tell()

    def end(self) -> None:
        self.ended = True
        self._tell()

    def fence(self) -> None:
        """Drop what was not stored: it belongs to nobody."""
        self.fenced = True
        self._waiting.clear()
        self._numbered.clear()
        self._steps.clear()
        self._tell()

    @property
    def unstored(self) -> bool:
        return bool(self._waiting or self._numbered or self.new_steps())

    async def settled(self) -> None:
        """Wait until everything appended is stored. Raises LeaseLostError."""
        self.hurry()
        while self.unstored:
            await self._changed.wait()
        if self.fenced:
            raise LeaseLostError

    async def follow(self, after: int) -> AsyncIterator[Sequence[bytes]]:
        """Stored events with a number above `after`, in order, as they come; ends with the run, or its loss."""
        position = after
        while True:
            changed = self._changed
            if position < len(self.stored):
                batch = self.stored[position : position + BATCH_EVENTS]
                position += len(batch)
                yield batch
            elif self.ended or self.fenced:
                return
            else:
                await changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class LogWriter:
    """Stores the events of all runs of this process."""

    def __init__(self, database: Database, process: UUID) -> None:
        self._database = database
        self._process = process
        self._logs: dict[UUID, RunLog] = {}
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()

    def open(self, run_id: UUID, client_run_id: str, user_id: UUID, epoch: int, first_event: bytes) -> RunLog:
        """The log of a run whose first event was stored with its question."""
        opened = RunLog(run_id, client_run_id, user_id, epoch, [first_event], _wake=self._wake, _hurry=self._hurry)
        self._logs[run_id] = opened
        return opened

    def get(self, run_id: UUID, user_id: UUID | None) -> RunLog | None:
        """The log of a run of this user that this process writes."""
        found = self._logs.get(run_id)
        return found if found is not None and found.user_id == user_id else None

    def close(self, run_id: UUID) -> None:
        """The run has ended. Listeners keep what they hold; later ones read the database."""
        self._logs.pop(run_id, None)

    async def run(self) -> None:
        """Flush for ever. Cancelled at the end, when no run is left."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._hurry.clear()
            try:
                await self._flush()
            except UnavailableError as error:
                log.warning("events_not_stored", code=error.code)
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()
            else:
                await self._pause()

    async def _pause(self) -> None:
        """Let events gather, for a shorter time where one of them should not wait."""
        await asyncio.sleep(HURRY_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS - HURRY_SECONDS):
                await self._hurry.wait()

    async def _flush(self) -> None:
        runs = [run for run in self._logs.values() if run.unstored and not run.held]
        if not runs:
            return
        try:
            await self._store(runs)
        except UnavailableError:
            raise
        except Exception:  # one of them holds what no database takes; the others must not suffer for it
            for run in runs:
                await self._store_or_give_up(run)

    async def _store_or_give_up(self, run: RunLog) -> None:
        try:
            await self._store([run])
        except UnavailableError:
            raise
        except Exception:
            log.exception("run_cannot_be_stored", run=str(run.run_id))
            run.fence()

    async def _store(self, runs: Sequence[RunLog]) -> None:
        batch = [(run, list(run.number()), run.new_steps()) for run in runs]
        rows = [
            (run.run_id, len(run.stored) + i, event, run.epoch)
            for run, events, _ in batch
            for i, event in enumerate(events, start=1)
        ]
        steps = [step for _, _, steps in batch for step in steps]
        stored = await repository.store(self._database, rows, steps, self._process)
        for run, events, steps in batch:
            if run.run_id in stored.torn:
                log.warning("events_stored_again", run=str(run.run_id))
                await repository.store(self._database, *run.stored_rows(), self._process)
            if run.run_id in stored.lost:
                log.warning("run_lease_lost", run=str(run.run_id))
                run.fence()
            else:
                run.publish(len(events), len(steps))
