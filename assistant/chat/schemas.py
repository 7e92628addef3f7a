"""What clients send and get in conversations. The field names of a run's input are AG-UI's, the others the schema's."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

import msgspec

from assistant.chat.repository import Run, RunStatus
from assistant.chat.service import AnyTurn, NewTurn, RepeatedTurn, ResumedTurn
from assistant.errors import InvalidError, NotFoundError
from assistant.http import Outgoing
from assistant.mentor.actions.service import Answer

MAX_ANSWERS: Final = 50
"""Interrupts that one input answers: a turn proposes four at most."""


class ContentPart(msgspec.Struct, frozen=True):
    """A part of a message; only text is read."""

    type: str
    text: str = ""


class InputMessage(msgspec.Struct, frozen=True):
    """A message of the input. All but the last one of the user are ignored: the server's history is the history."""

    role: str
    id: str = ""
    content: str | list[ContentPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or [] if part.type == "text")


class ResumePayload(msgspec.Struct, frozen=True):
    """The learner's word on a proposal."""

    approved: bool
    arguments: dict[str, Any] | None = None
    """As they edited them; left out: as proposed."""


class ResumeEntry(msgspec.Struct, frozen=True, rename="camel"):
    """An answer to an interrupt. `cancelled` is a no."""

    interrupt_id: str
    status: Literal["resolved", "cancelled"]
    payload: ResumePayload | None = None

    def as_answer(self) -> Answer:
        """Raises NotFoundError, InvalidError."""
        try:
            action_id = UUID(self.interrupt_id)
        except ValueError as exc:
            raise NotFoundError("Nothing waits for this answer.", code="unknown_interrupt") from exc
        if self.status == "cancelled":
            return Answer(action_id, approved=False)
        if self.payload is None:
            raise InvalidError(
                "An interrupt that is resolved needs a payload that says `approved`.", path="resume.payload"
            )
        return Answer(action_id, self.payload.approved, self.payload.arguments)


Relation = Literal["replaces", "parent", "regenerate"]
GOING_BACK: Final[tuple[Relation, ...]] = get_args(Relation)


class RunAgentInput(msgspec.Struct, frozen=True, rename="camel"):
    """AG-UI's `RunAgentInput`; members that are not named here are accepted and not used.

    Of `forwardedProps`, which the protocol leaves to both sides, at most one of three is read, each the id of a message
    (ours or the client's): `replaces` (the new question stands in its place), `parent` (it follows that one),
    `regenerate` (its question is answered anew; no message is needed).
    """

    thread_id: str
    run_id: str
    messages: list[InputMessage] = []
    resume: Annotated[list[ResumeEntry], msgspec.Meta(max_length=MAX_ANSWERS)] | None = None
    forwarded_props: Any = None

    def as_turn(self, space_id: UUID) -> AnyTurn:
        """What is to be done: answers where there are some, else the last user message.

        Raises NotFoundError (`unknown_interrupt`), InvalidError.
        """
        if self.resume:
            answers = [entry.as_answer() for entry in self.resume]
            return ResumedTurn(space_id, self.thread_id, self.run_id, answers)
        relation, back_to = self._going_back()
        if relation == "regenerate":
            return RepeatedTurn(space_id, self.thread_id, self.run_id, back_to)
        message = next((message for message in reversed(self.messages) if message.role == "user"), None)
        if message is None:
            raise InvalidError("There is no message of the user.", path="messages")
        goes_back = (relation, back_to) if relation is not None else None
        return NewTurn(space_id, self.thread_id, self.run_id, message.id, message.text, goes_back=goes_back)

    def _going_back(self) -> tuple[Relation | None, str]:
        """Raises InvalidError."""
        props = self.forwarded_props if isinstance(self.forwarded_props, dict) else {}
        given = [relation for relation in GOING_BACK if props.get(relation) is not None]
        if not given:
            return None, ""
        message = props[given[0]]
        if len(given) > 1:
            raise InvalidError(f"Only one of {', '.join(given)} can be meant.", path="forwardedProps")
        if not isinstance(message, str):
            raise InvalidError("This must be the id of a message.", path=f"forwardedProps.{given[0]}")
        return given[0], message


class CitationRead(Outgoing):
    index: int
    """The mark in the text: [1] …"""
    chunk_id: UUID
    document_id: UUID
    title: str
    heading: str | None
    page: int | None
    quote: str
    """Verbatim, from the document as it stood then."""
    start: int
    end: int
    """Code points of the document's content."""


class ThumbsRead(Outgoing):
    value: int
    comment: str | None
    updated_at: datetime


class MessageRead(Outgoing):
    id: UUID
    space_id: UUID
    user_id: UUID
    is_from_user: bool
    message: str
    metadata: dict[str, Any] | None
    created_at: datetime
    thread_id: str | None
    run_id: str | None
    """The run that this message began, or that it is the answer of."""
    status: RunStatus | None
    """How that run stands, or how it ended."""
    citations: list[CitationRead]
    versions: list[UUID]
    """The messages that stand in this place, this one among them, the oldest first: `/api/messages/{id}/activate`."""
    feedback: ThumbsRead | None
    """What the caller thinks of an answer."""


class RunRead(Outgoing):
    id: str
    thread_id: str
    space_id: UUID
    status: RunStatus
    last_seq: int
    error: dict[str, Any] | None
    usage: list[dict[str, Any]] | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, run: Run) -> "RunRead":
        return cls(
            id=run.client_run_id,
            thread_id=run.thread_id,
            space_id=run.space_id,
            status=run.status,
            last_seq=run.last_seq,
            error=run.error,
            usage=run.usage,
            created_at=run.created_at,
            finished_at=run.finished_at,
        )
