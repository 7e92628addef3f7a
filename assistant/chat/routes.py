"""Conversations over HTTP: a turn as server-sent events, replays, stop, what was said."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, get, post
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from assistant.chat.schemas import MessageRead, RunAgentInput, RunRead
from assistant.chat.service import ChatService, FollowedRun
from assistant.db.identity import Principal
from assistant.errors import InvalidError
from assistant.http import name_in_path, signed_in, to_schema
from assistant.pagination import Page, Paginator

KEEP_ALIVE_SECONDS: Final = 15.0
"""Proxies close a connection on which nothing is said for a minute or so."""

MAX_INPUT_BYTES: Final = 4 * 1024 * 1024
"""AG-UI clients send the whole conversation with each turn, of which the last message is read."""

_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class ConversationController(Controller):
    path = "/api/spaces/{space_id:uuid}"
    guards = (signed_in,)
    tags = ("chat",)

    @post(
        "/agent",
        operation_id="RunAgent",
        status_code=200,
        request_max_body_size=MAX_INPUT_BYTES,
        opt={"max_items": 10_000, "scope": "chat"},
        media_type="text/event-stream",
    )
    async def run_agent(
        self,
        space_id: FromPath[UUID],
        data: JSONBody[RunAgentInput],
        principal: NamedDependency[Principal],
        chat: NamedDependency[ChatService],
    ) -> Stream:
        """Ask the mentor: an AG-UI `RunAgentInput` in, the events of its run out, each with its number as `id`.

        The last user message is the question, and its id the key: sent twice it is answered once. 409 `run_active`
        while the conversation has an answer under way, `message_id_reused` where the id belongs to another message.
        """
        run = await chat.begin(principal, data.as_turn(space_id))
        return _stream(chat, principal, run, 0)

    @get("/messages", operation_id="ListMessages")
    async def list_messages(
        self,
        space_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        chat: NamedDependency[ChatService],
        paginator: NamedDependency[Paginator],
        thread_id: Annotated[str | None, QueryParameter(max_length=200)] = None,
    ) -> Page[MessageRead]:
        """The caller's own messages and the mentor's answers to them, oldest first; all threads without `thread_id`."""
        after = paginator.after("messages", space_id, thread_id)
        rows = await chat.messages(principal, space_id, thread_id=thread_id, after=after, limit=paginator.limit + 1)
        return paginator.page([to_schema(row, MessageRead) for row in rows], "messages", space_id, thread_id)


class RunController(Controller):
    path = "/api/runs/{run_id:str}"
    guards = (signed_in,)
    opt = {"scope": "chat"}  # noqa: RUF012 - the framework's attribute, read when the application is built
    tags = ("chat",)

    @get("/", operation_id="GetRun")
    async def get_run(
        self, run_id: FromPath[str], principal: NamedDependency[Principal], chat: NamedDependency[ChatService]
    ) -> RunRead:
        """How a run stands; `last_seq` is the number of its last event so far."""
        return RunRead.of(await chat.find_run(principal, name_in_path(run_id)))

    @get("/events", operation_id="ReplayRun", media_type="text/event-stream")
    async def replay_run(
        self,
        request: Request[Any, Any, Any],
        run_id: FromPath[str],
        principal: NamedDependency[Principal],
        chat: NamedDependency[ChatService],
        after: Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1)] = None,
    ) -> Stream:
        """Events with a number above `after` (or `Last-Event-ID`), first the stored ones, then live, to the last.

        A week after its end a run is a snapshot: the text in one go, no tool calls, numbered from 1.
        """
        run = await chat.find_run(principal, name_in_path(run_id))
        position = _last_event_id(request) if after is None else after
        return _stream(chat, principal, FollowedRun(run.id, run.client_run_id), chat.resume(run, position))

    @post("/cancel", operation_id="CancelRun", status_code=200)
    async def cancel_run(
        self, run_id: FromPath[str], principal: NamedDependency[Principal], chat: NamedDependency[ChatService]
    ) -> RunRead:
        """Stop the answer; what was written so far is kept and marked. A run that has ended stays as it is."""
        return RunRead.of(await chat.cancel(principal, name_in_path(run_id)))


def _last_event_id(request: Request[Any, Any, Any]) -> int:
    sent = request.headers.get("last-event-id", "").strip()
    if not sent:
        return 0
    if not (sent.isascii() and sent.isdigit() and len(sent) < 10):
        raise InvalidError("Last-Event-ID must be the number of an event.", path="Last-Event-ID")
    return int(sent)


def _stream(chat: ChatService, principal: Principal, run: FollowedRun, after: int) -> Stream:
    events = _server_sent(chat.follow(principal, run.id, after), after)
    return Stream(events, media_type="text/event-stream", headers=_STREAM_HEADERS)


async def _server_sent(batches: AsyncIterator[Sequence[bytes]], after: int) -> AsyncGenerator[bytes, None]:
    """Server-sent events, with a comment now and then where nothing happens. Leaving it ends nothing but itself."""
    seq = after
    async for batch in with_pauses(batches, KEEP_ALIVE_SECONDS):
        if batch is None:
            yield b": still here\n\n"
            continue
        lines = []
        for event in batch:
            seq += 1
            lines.append(b"id: %d\ndata: %b\n\n" % (seq, event))
        yield b"".join(lines)


async def with_pauses(
    batches: AsyncIterator[Sequence[bytes]], seconds: float
) -> AsyncGenerator[Sequence[bytes] | None, None]:
    """The same batches, and None whenever the next one is `seconds` away."""
    pending: asyncio.Future[Sequence[bytes]] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(anext(batches)) if pending is None else pending
            done, _ = await asyncio.wait((pending,), timeout=seconds)
            if not done:
                yield None
                continue
            try:
                batch = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield batch
    finally:
        if pending is not None:
            pending.cancel()
