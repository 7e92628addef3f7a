"""Conversations over a websocket: the same events, several runs at a time.

The client sends   RunAgentInput · {"type": "cancel", "runId"} · {"type": "subscribe", "runId", "after"}
                   · {"type": "token", "token"}, before the token that it came with expires
The server sends   AG-UI events. One that says RUN_ERROR without a number answers a frame, and ends nothing.

Close codes: 4401 token expired · 4403 access to the space lost · 4408 the client does not read · 1012 server restarts.
"""

import asyncio
import time
from contextlib import ExitStack, suppress
from functools import partial
from math import ceil
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from assistant.body import read_json, strictly
from assistant.chat.schemas import RunAgentInput
from assistant.chat.service import ChatService
from assistant.chat.sockets import SocketGate
from assistant.db.identity import learner
from assistant.errors import AssistantError, BadRequestError, InvalidError, TooLargeError, UnauthorizedError
from assistant.http import PROBLEM, problem_document
from assistant.identity import Authenticator, VerifiedToken, bearer_token, identify, refuse_token_in_query
from assistant.limits import Limits
from assistant.telemetry import request_id

log = structlog.get_logger(__name__)

PROTOCOL: Final = "ag-ui.v1"
BEARER: Final = "bearer."

MAX_FRAME_BYTES: Final = 64 * 1024
MAX_FOLLOWED: Final = 16
"""Runs that one socket may follow at a time."""

BURST_FRAMES: Final = 300
FRAMES_PER_SECOND: Final = 20.0
"""A client that sends more is read more slowly; it loses nothing."""

SEND_SECONDS: Final = 30.0
"""A client that does not take a frame for so long is gone; it can come back and resume."""

_encode = msgspec.json.Encoder().encode


class Cancel(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="cancel"):
    run_id: str


class Subscribe(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="subscribe"):
    run_id: str
    after: int = 0


class NewToken(msgspec.Struct, frozen=True, tag_field="type", tag="token"):
    token: str


Command = Cancel | Subscribe | NewToken

_COMMAND: Any = Command


@websocket("/api/spaces/{space_id:uuid}/agent/ws")
async def agent_socket(
    socket: WebSocket[Any, Any, Any],
    space_id: FromPath[UUID],
    chat: NamedDependency[ChatService],
    gate: NamedDependency[SocketGate],
    authenticator: NamedDependency[Authenticator],
    limits: NamedDependency[Limits],
) -> None:
    """Refused before it is accepted where origin, token or space are wrong; served until one of them turns wrong."""
    with ExitStack() as admission:
        try:
            gate.check_origin(socket.headers.get("origin"), socket.headers.get("host"))
            token = await _authenticate(socket, authenticator, limits)
            await chat.check_space(learner(token.user_id), space_id)
            seat = admission.enter_context(gate.admit(token.user_id, space_id, token.key_id))
        except AssistantError as error:
            await _refuse(socket, error)
            return
        await socket.accept(subprotocols=PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
        session = _Session(socket, space_id, chat, authenticator, token)
        seat.on_revoked = partial(session.close, 4403)
        await session.run()


async def _authenticate(
    socket: WebSocket[Any, Any, Any], authenticator: Authenticator, limits: Limits
) -> VerifiedToken:
    """Who opens the socket, for the mentor. Raises UnauthorizedError, ForbiddenError, TooManyRequestsError."""
    refuse_token_in_query(socket.scope["query_string"])
    verified = await identify(socket.scope, lambda: _token(socket), authenticator, limits)
    assert verified is not None, "a socket without a token was refused"
    verified.require("chat")
    return verified


def _token(socket: WebSocket[Any, Any, Any]) -> str:
    """By the subprotocol `bearer.<token>`, since a browser can set no header here, or by `Authorization`."""
    offered = [name for name in socket.scope["subprotocols"] if name.startswith(BEARER)]
    token = offered[0].removeprefix(BEARER) if offered else bearer_token(socket.scope["headers"])
    if token is None or len(offered) > 1:
        raise UnauthorizedError("A websocket needs the subprotocol 'bearer.<token>'.")
    return token


async def _refuse(socket: WebSocket[Any, Any, Any], error: AssistantError) -> None:
    """An HTTP answer instead of the upgrade, where the server can give one."""
    if "websocket.http.response" not in (socket.scope.get("extensions") or {}):
        await socket.close(code=1008)
        return
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id(socket.scope).encode()),
    ]
    if error.status_code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % ceil(error.retry_after)))
    start = {"type": "websocket.http.response.start", "status": error.status_code, "headers": headers}
    await socket.send(cast(Any, start))
    await socket.send(cast(Any, {"type": "websocket.http.response.body", "body": _encode(problem_document(error))}))


class _Session:
    """One open socket."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        space_id: UUID,
        chat: ChatService,
        authenticator: Authenticator,
        token: VerifiedToken,
    ) -> None:
        self._socket = socket
        self._space_id = space_id
        self._chat = chat
        self._authenticator = authenticator
        self._token = token
        self._principal = learner(token.user_id)
        self._closing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._expiry = self._expire_in_time()
        self._followed: dict[UUID, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the client goes, or may no longer stay."""
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reading, self._closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop_expiry()
            tasks = [reading, *self._followed.values()]
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for failure in results:
            if isinstance(failure, Exception) and not isinstance(failure, WebSocketDisconnect):
                log.error("socket_failed", exc_info=failure)
        if not isinstance(results[0], WebSocketDisconnect):
            with suppress(Exception):  # the client may be gone by now
                await self._socket.close(code=self._closing.result() if self._closing.done() else 1011)

    def close(self, code: int) -> None:
        """Close soon, with this code; the first one counts."""
        if not self._closing.done():
            self._closing.set_result(code)

    def _expire_in_time(self) -> asyncio.TimerHandle | None:
        if self._token.expires_at is None:
            return None
        left = self._token.expires_at.timestamp() - time.time()
        return asyncio.get_running_loop().call_later(max(0.0, left), self.close, 4401)

    def _stop_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()

    async def _read(self) -> None:
        allowance, since = float(BURST_FRAMES), time.monotonic()
        while True:
            frame = await self._socket.receive_data(mode="text")
            now = time.monotonic()
            allowance, since = min(BURST_FRAMES, allowance + (now - since) * FRAMES_PER_SECOND) - 1, now
            if allowance < 0:
                await asyncio.sleep(-allowance / FRAMES_PER_SECOND)
            try:
                await self._obey(frame)
            except AssistantError as error:
                await self._send(_encode(_problem(error, frame)))

    async def _obey(self, frame: str | bytes) -> None:
        data = frame.encode() if isinstance(frame, str) else frame
        if len(data) > MAX_FRAME_BYTES:
            raise TooLargeError(
                f"A frame may have {MAX_FRAME_BYTES // 1024} KiB: send the new message only.", code="frame_too_large"
            )
        value = read_json(data)
        if not isinstance(value, dict):
            raise BadRequestError("A frame is one JSON object.")
        if "type" not in value:
            await self._begin(strictly(value, RunAgentInput))
            return
        command: Command = strictly(value, _COMMAND)
        match command:
            case Cancel(run_id):
                await self._chat.cancel(self._principal, run_id)
            case Subscribe(run_id, after):
                run = await self._chat.find_run(self._principal, run_id)
                self._follow(run.id, self._chat.resume(run, max(0, after)))
            case NewToken(token):
                await self._renew(token)

    async def _begin(self, data: RunAgentInput) -> None:
        await self._authenticator.readmit(self._token)
        run = await self._chat.begin(self._principal, data.as_turn(self._space_id))
        self._follow(run.id, 0)

    async def _renew(self, token: str) -> None:
        verified = await self._authenticator.verify(token)
        if (verified.user_id, verified.key_id) != (self._token.user_id, self._token.key_id):
            raise UnauthorizedError("The new token is another person's, or a program's key.")
        self._token = verified
        self._stop_expiry()
        self._expiry = self._expire_in_time()

    def _follow(self, run_id: UUID, after: int) -> None:
        if (earlier := self._followed.pop(run_id, None)) is not None:
            earlier.cancel()
        if len(self._followed) >= MAX_FOLLOWED:
            raise InvalidError(f"A socket follows at most {MAX_FOLLOWED} runs at a time.", path="runId")
        task = asyncio.create_task(self._send_events(run_id, after))
        self._followed[run_id] = task
        task.add_done_callback(lambda done: self._forget(run_id, done))

    def _forget(self, run_id: UUID, task: asyncio.Task[None]) -> None:
        if self._followed.get(run_id) is task:
            del self._followed[run_id]

    async def _send_events(self, run_id: UUID, after: int) -> None:
        try:
            async for batch in self._chat.follow(self._principal, run_id, after):
                for event in batch:
                    await self._send(event)
        except AssistantError as error:
            await self._send(_encode(_problem(error, "")))

    async def _send(self, event: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_data(event.decode(), mode="text")
        except TimeoutError:
            self.close(4408)
            raise asyncio.CancelledError from None


def _problem(error: AssistantError, frame: str | bytes) -> dict[str, Any]:
    """The answer to a frame that could not be obeyed; names the run where the frame did, and the field at fault."""
    named: dict[str, Any] = {}
    with suppress(AssistantError):
        value = read_json(frame.encode() if isinstance(frame, str) else frame)
        if isinstance(value, dict):
            named = {name: value[name] for name in ("runId", "threadId") if isinstance(value.get(name), str)}
    if "errors" in error.extra:
        named["errors"] = error.extra["errors"]
    return {"type": "RUN_ERROR", "message": error.detail, "code": error.code, **named}
