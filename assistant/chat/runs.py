"""The runs of this process: begun as tasks of their own, kept by lease, stopped, swept up after a crash.

A run outlives the connection that began it. Its lease says that its process is alive; a run whose lease has run out is
taken by whichever process sees it first, which stores what there is of the answer and marks it as interrupted.
"""

import asyncio
import contextvars
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from assistant.chat import repository
from assistant.chat.answering import LiveRun, Mentor, carry_out
from assistant.chat.budget import Accounts, RunBudget
from assistant.chat.fanout import Fanout
from assistant.chat.log import LogWriter, RunLog
from assistant.chat.orphans import end_orphan
from assistant.db.session import Database
from assistant.errors import AssistantError, UnavailableError
from assistant.mentor.actions.service import Actions
from assistant.usage.reservations import settle_expired

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(seconds=6)
RENEW_SECONDS: Final = 1.5
"""Four renewals fit into a lease: a process that is only slow keeps its runs."""

SWEEP_SECONDS: Final = 2.0
"""With the lease this bounds how long a run of a dead process looks alive: 8 s."""


OVERLOADED_SECONDS: Final = 5
"""After which some answers have ended, and somebody else's turn may be taken."""


class OverloadedError(UnavailableError):
    """This process works on as many turns as it may."""

    code, title = "overloaded", "Too many questions at once"

    def __init__(self) -> None:
        super().__init__(
            "The mentor is answering as many questions as it can at the moment; please ask again in a few seconds.",
            retry_after=OVERLOADED_SECONDS,
        )


CANCEL_SECONDS: Final = 1.0
"""Between two tries to cancel a task."""


class RunManager:
    """Start it before the first run; close it after the last request."""

    def __init__(
        self,
        database: Database,
        mentor: Mentor,
        listen_url: str,
        *,
        turn_seconds: float,
        accounts: Accounts,
        max_turns: int,
    ) -> None:
        """At most `max_turns` at a time; 0 is any number."""
        self.process = uuid4()
        self._accounts = accounts
        self.mentor = mentor
        self.fanout = Fanout(listen_url, self._cancel_here)
        self._actions = Actions(database)
        self._database = database
        self._turn_seconds = turn_seconds
        self._max_turns = max_turns
        self._beginning = 0
        self._writer = LogWriter(database, self.process)
        self._runs: dict[UUID, tuple[LiveRun, asyncio.Task[None]]] = {}
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        loops = (self._writer.run(), self.fanout.run(), self._renew_for_ever(), self._sweep_for_ever())
        self._background = [_spawn(loop) for loop in loops]

    async def close(self, grace: float) -> None:
        """Let the runs end by themselves for `grace` seconds, then mark what is left as interrupted."""
        tasks = [task for _, task in self._runs.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        await _cancel_all(tasks)
        await _cancel_all(self._background)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Hold a place for a run while it is begun. Raises OverloadedError where all are taken: nothing was done."""
        if self._max_turns and len(self._runs) + self._beginning >= self._max_turns:
            log.warning("turn_refused", running=len(self._runs), beginning=self._beginning)
            raise OverloadedError
        self._beginning += 1
        try:
            yield
        finally:
            self._beginning -= 1

    def launch(self, run: LiveRun) -> None:
        """Carry a run out, whoever listens or leaves."""
        self._runs[run.id] = (run, _spawn(self._carry_out(run)))

    def open_log(self, run_id: UUID, client_run_id: str, user_id: UUID, first_event: bytes) -> RunLog:
        return self._writer.open(run_id, client_run_id, user_id, 1, first_event)

    def log_of(self, run_id: UUID, user_id: UUID | None) -> RunLog | None:
        """The log of a run of this user, if this process carries it out."""
        return self._writer.get(run_id, user_id)

    async def _carry_out(self, run: LiveRun) -> None:
        try:
            budget = RunBudget(self._database, self._accounts, run)
            await carry_out(run, self.mentor, budget, self._database, self.process, self._turn_seconds)
        finally:
            self._runs.pop(run.id, None)
            self._writer.close(run.id)

    def _cancel_here(self, run_id: UUID) -> None:
        if found := self._runs.get(run_id):
            run, task = found
            run.stopped_by = "cancelled"
            task.cancel()  # again with each renewal until it ends: see _cancel_all

    async def _renew_for_ever(self) -> None:
        while True:
            if self._runs:
                await _guarded("leases_not_renewed", self._renew())
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        ours = await repository.renew_leases(self._database, list(self._runs), self.process, LEASE)
        for run_id, cancelled in ours.items():
            if cancelled:  # its notification was lost
                self._cancel_here(run_id)

    async def _sweep_for_ever(self) -> None:
        while True:
            swept = await _guarded("sweep_failed", self.sweep())
            # After an outage of the database every lease has run out: its holders are to renew theirs first.
            await asyncio.sleep(SWEEP_SECONDS if swept else LEASE.total_seconds())

    async def sweep(self) -> None:
        """End the runs whose process is gone; do what it was to do."""
        await repository.forget_listeners(self._database)
        await self._actions.sweep()
        await settle_expired(self._database)
        while True:
            orphan = await repository.take_expired(self._database, list(self._runs), self.process, LEASE)
            if orphan is None:
                return
            log.info("run_interrupted", run=str(orphan.id))
            ending = end_orphan(orphan)
            try:
                await repository.end_run(self._database, "sweep", ending, self.process)
            except UnavailableError:
                raise
            except Exception:  # its text is none that can be stored; without an end it would block its thread for ever
                log.exception("answer_cannot_be_stored", run=str(orphan.id))
                bare = replace(ending, text="", unfinished="")
                await repository.end_run(self._database, "sweep", bare, self.process)


async def _guarded(failure: str, step: Coroutine[Any, Any, None]) -> bool:
    """A loop of the service goes on when the database is away for a while; False: this step did not succeed."""
    try:
        await step
    except AssistantError as error:
        log.warning(failure, code=error.code)
        return False
    except Exception:  # what went wrong this time need not the next time
        log.exception(failure)
        return False
    return True


async def _cancel_all(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: `wait_for` of Python 3.11, which the pool uses, may lose a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)


def _spawn(body: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that inherits nothing of the request it was begun in, least of all an identity."""
    return asyncio.create_task(body, context=contextvars.Context())
