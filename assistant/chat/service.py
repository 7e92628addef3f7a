"""The rules of a conversation, whatever the door: begin a turn, follow it, stop it, read what was said."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from assistant.chat import folding, repository
from assistant.chat.answering import LiveRun
from assistant.chat.events import encode_event, run_started
from assistant.chat.messages import StoredMessage, list_messages
from assistant.chat.repository import BegunRun, Opening, Refused, Run
from assistant.chat.runs import LEASE, RunManager
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import AssistantError, ConflictError, ForbiddenError, InvalidError, NotFoundError, TooLargeError
from assistant.limits import Limits
from assistant.mentor.actions.service import Actions, Answer
from assistant.usage.installation import noting_stop

MAX_MESSAGE_CHARACTERS: Final = 32_000
"""About 20 pages; what is longer belongs into a document."""

MAX_NAME_CHARACTERS: Final = 200
"""Of threads, runs and messages, which clients name as they like."""

REPAIR_SECONDS: Final = 1.0
"""How long a lost notification can hold up a listener in another process."""

ANNOUNCE_SECONDS: Final = 10.0


class RunActiveError(ConflictError):
    """One answer at a time, and none is left or gone back from while it is under way."""

    code = "run_active"

    def __init__(self) -> None:
        super().__init__("The mentor is still answering in this conversation.")


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a channel has made of its input."""

    space_id: UUID
    thread_id: str
    client_run_id: str


@dataclass(frozen=True, slots=True)
class NewTurn(_Turn):
    """A question."""

    client_message_id: str
    text: str
    channel: str = "web"
    goes_back: tuple[Literal["replaces", "parent"], str] | None = None
    """It stands in the place of that message, or follows it; None: it follows what was said last."""


@dataclass(frozen=True, slots=True)
class RepeatedTurn(_Turn):
    """A question that is to be answered anew: that of `message`, by our id of a message or the client's."""

    message: str
    channel: str = "web"


@dataclass(frozen=True, slots=True)
class ResumedTurn(_Turn):
    """Answers to what the mentor proposed in this conversation."""

    answers: list[Answer]
    channel: str = "web"


AnyTurn = NewTurn | RepeatedTurn | ResumedTurn


@dataclass(frozen=True, slots=True)
class FollowedRun:
    """A run that can be followed."""

    id: UUID
    client_run_id: str


class ChatService:
    def __init__(self, database: Database, runs: RunManager, limits: Limits) -> None:
        self._database = database
        self._actions = Actions(database)
        self._runs = runs
        self._limits = limits

    async def begin(self, principal: Principal, turn: AnyTurn) -> FollowedRun:
        """Store what was said and start to answer it; it is durable when this returns.

        What was sent before gets the run that it began: a question by the id of its message, one that is answered anew
        by the name of the run, answers by what they answer. Once all that the mentor proposed is answered, it goes on.

        Raises NotFoundError (also `unknown_message`, `unknown_interrupt`), ForbiddenError, InvalidError, TooLargeError,
        TooManyRequestsError, QuotaExceededError, InstallationStoppedError, OverloadedError, and ConflictError with the
        code `run_active`, `message_id_reused` or `run_id_reused`.
        """
        _check(turn)
        assert principal.user_id is not None, "only people talk"
        await self._limits.count_turn(principal.user_id, turn.space_id)
        opening = self._open(turn)
        with self._runs.room():
            async with noting_stop(self._database):
                begun = await self._store(principal, turn, opening)
        if isinstance(begun, Refused):
            raise _refusal(begun.rule)
        if begun.is_new:
            self._launch(principal.user_id, opening, begun)
        return FollowedRun(begun.id, begun.client_run_id)

    def _open(self, turn: AnyTurn) -> Opening:
        return Opening(
            space_id=turn.space_id,
            thread_id=turn.thread_id,
            client_run_id=turn.client_run_id,
            channel=turn.channel,
            provider=self._runs.mentor.provider,
            first_event=encode_event(run_started(turn.thread_id, turn.client_run_id), turn.client_run_id, 1),
            process=self._runs.process,
            lease=LEASE,
        )

    async def _store(self, principal: Principal, turn: AnyTurn, opening: Opening) -> BegunRun | Refused:
        match turn:
            case NewTurn():
                asked = turn.client_message_id, turn.text, turn.goes_back
                return await repository.begin_turn(self._database, principal, opening, *asked)
            case RepeatedTurn():
                return await repository.begin_again(self._database, principal, opening, turn.message)
            case ResumedTurn():
                answers = await self._actions.read_answers(principal, turn.answers)
                return await repository.resume_turn(self._database, principal, opening, answers)

    def _launch(self, user_id: UUID, opening: Opening, begun: BegunRun) -> None:
        self._runs.launch(
            LiveRun(
                id=begun.id,
                client_run_id=opening.client_run_id,
                thread_id=opening.thread_id,
                space_id=opening.space_id,
                user_id=user_id,
                answer_id=begun.answer_id,
                question=begun.question,
                log=self._runs.open_log(begun.id, opening.client_run_id, user_id, opening.first_event),
                resumption=begun.resumption,
            )
        )

    async def check_space(self, principal: Principal, space_id: UUID) -> None:
        """Raises NotFoundError where the space is not the caller's to see."""
        if not await repository.space_is_visible(self._database, principal, space_id):
            raise NotFoundError("There is no such space.")

    async def find_run(self, principal: Principal, client_run_id: str) -> Run:
        """The caller's run. Raises NotFoundError."""
        run = await repository.find_run(self._database, principal, client_run_id)
        if run is None:
            raise NotFoundError("There is no such run.")
        return replace(run, last_seq=len(await self._snapshot(principal, run.id))) if run.is_folded else run

    async def follow(self, principal: Principal, run_id: UUID, after: int) -> AsyncIterator[Sequence[bytes]]:
        """Events of the caller's run with a number above `after`, first the stored ones, then live, to the last.

        The caller's right to the run has been checked; where events come from the database it is checked again. Of a
        folded run they are those of a snapshot, numbered anew: see `resume`.
        """
        position = after
        if (local := self._runs.log_of(run_id, principal.user_id)) is not None:
            async for batch in local.follow(position):
                position += len(batch)
                yield batch
            if local.ended:
                return
        async for batch in self._follow_stored(principal, run_id, position):
            yield batch

    @staticmethod
    def resume(run: Run, after: int) -> int:
        """After which number to follow a run. Who does not have all of a folded one gets all of it: what they counted
        may have been the events that it had before."""
        return 0 if run.is_folded and after != run.last_seq else after

    async def cancel(self, principal: Principal, client_run_id: str) -> Run:
        """Ask the run to stop, wherever it runs; returns how it stands. One that has ended stays as it is."""
        if not await repository.request_cancel(self._database, principal, client_run_id):
            raise NotFoundError("There is no such run.")
        return await self.find_run(principal, client_run_id)

    async def messages(
        self,
        principal: Principal,
        space_id: UUID,
        *,
        thread_id: str | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[StoredMessage]:
        """The caller's own messages in a space, oldest first, those after `after` (time and id of one)."""
        messages = await list_messages(self._database, principal, space_id, thread_id, after, limit)
        if messages is None:
            raise NotFoundError("There is no such space.")
        return messages

    async def _follow_stored(self, principal: Principal, run_id: UUID, after: int) -> AsyncIterator[Sequence[bytes]]:
        """From the database: a run that has ended, or one that another process carries out."""
        position, ended, waits = after, False, 0
        while not ended:
            batch, ended = await repository.events_after(self._database, principal, run_id, position)
            if ended and position == after:  # nothing at all: is there nothing more, or nothing left?
                batch = (await self._snapshot(principal, run_id))[after:]
            if batch:
                position += len(batch)
                yield batch
            elif not ended:
                if waits % int(ANNOUNCE_SECONDS / 2 / REPAIR_SECONDS) == 0:
                    await self._announce(run_id)
                waits += 1
                await self._runs.fanout.wait(run_id, REPAIR_SECONDS)

    async def _snapshot(self, principal: Principal, run_id: UUID) -> list[bytes]:
        folded = await folding.find_folded(self._database, principal, run_id)
        return [] if folded is None else folding.snapshot(folded)

    async def _announce(self, run_id: UUID) -> None:
        keep = timedelta(seconds=ANNOUNCE_SECONDS)
        await repository.announce_listener(self._database, run_id, self._runs.process, keep)


def _check(turn: AnyTurn) -> None:
    _check_name("threadId", turn.thread_id)
    _check_name("runId", turn.client_run_id)
    match turn:
        case NewTurn():
            _check_name("messages.id", turn.client_message_id)
            _check_text(turn.text)
            if turn.goes_back is not None:
                relation, message = turn.goes_back
                _check_name(f"forwardedProps.{relation}", message)
        case RepeatedTurn():
            _check_name("forwardedProps.regenerate", turn.message)
        case ResumedTurn():
            pass  # the actions know what can be answered


def _check_text(text: str) -> None:
    if len(text) > MAX_MESSAGE_CHARACTERS:
        raise TooLargeError(
            f"A message may have {MAX_MESSAGE_CHARACTERS:,} characters, this one has {len(text):,}. "
            "Longer texts can be added to the space as documents.",
            code="message_too_long",
        )
    if not text.strip():
        raise InvalidError("The message is empty.", path="messages", code="message_empty")
    _check_characters(text, "messages")


def _check_name(path: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise InvalidError(f"{path} must have 1 to {MAX_NAME_CHARACTERS} characters.", path=path)
    _check_characters(name, path)


def _check_characters(text: str, path: str) -> None:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidError("The text has characters that cannot be stored.", path=path)


def _refusal(rule: str) -> AssistantError:
    match rule:
        case "forbidden":
            return ForbiddenError("Only members of this space can talk to its mentor.")
        case "run_active":
            return RunActiveError()
        case "message_id_reused":
            return ConflictError("This message id was used for another message.", code="message_id_reused")
        case "run_id_reused":
            return ConflictError("This run id was used for another message.", code="run_id_reused")
        case "unknown_message":
            return NotFoundError("There is no such message in this conversation.", code="unknown_message")
        case "unknown_interrupt":
            return NotFoundError("Nothing waits for this answer here.", code="unknown_interrupt")
        case _:
            return NotFoundError("There is no such space.")
