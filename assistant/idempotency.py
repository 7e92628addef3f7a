"""A POST that is sent twice is done once: `Idempotency-Key`.

The answer is stored in the transaction that did the work, so that a crash leaves both or neither; a request that failed
leaves nothing and may be tried again. A key belongs to its user, method and path, and to one body, for 24 hours.
"""

import hashlib
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Final, NamedTuple, TypeVar, cast
from uuid import UUID

import msgspec
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter
from litestar.response import Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.entity_tags import entity_tag
from assistant.errors import ConflictError, InvalidError
from assistant.http import Outgoing

KEY_LENGTH: Final = 200

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH,
        pattern=r"^[\x21-\x7e]*$",
        description="A text of the client's choice, such as a UUID. Sent again within 24 hours, the request is "
        "answered as it was the first time, and nothing is done.",
    ),
]

Answer = TypeVar("Answer", bound=Outgoing)


Prepared = TypeVar("Prepared")


class _Call(NamedTuple):
    """A request that has a key, as the table knows it."""

    user_id: UUID
    request: bytes
    body_hash: bytes
    status: int
    """Of its answer, if it succeeds."""


class _Stored(NamedTuple):
    body_hash: bytes
    status: int
    answer: bytes
    etag: str | None


def idempotent(handler: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """For the handler of a POST whose work is done in `db_session` and whose answer is one object.

    Stands below `@post(…)`. The handler need not name `request` or `db_session`.
    """
    own = signature(handler)

    @wraps(handler)
    async def wrapper(*bound: Any, **arguments: Any) -> Answer:
        key: str | None = arguments.pop("idempotency_key")
        request: Request[Any, Any, Any] = arguments["request"]
        session: AsyncSession = arguments["db_session"]

        async def work() -> Answer:
            return await handler(*bound, **{name: arguments[name] for name in own.parameters if name in arguments})

        return await work() if key is None else await _once(session, await _identify(request, key), work)

    new = {name: parameter for name, parameter in _ADDED.items() if name not in own.parameters}
    wrapper.__annotations__ = handler.__annotations__ | {name: each.annotation for name, each in new.items()}
    wrapper.__signature__ = own.replace(parameters=[*own.parameters.values(), *new.values()])  # type: ignore[attr-defined]
    return wrapper


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_ADDED: Final = {
    "request": _parameter("request", Request[Any, Any, Any]),
    "db_session": _parameter("db_session", NamedDependency[AsyncSession]),
    "idempotency_key": _parameter("idempotency_key", IdempotencyKey, None),
}
"""What the framework hands to the wrapper, besides what the handler asks for."""


async def once(
    database: Database,
    session: AsyncSession,
    request: Request[Any, Any, Any],
    key: str | None,
    prepare: Callable[[], Awaitable[Prepared]],
    store: Callable[[Prepared], Awaitable[Answer]],
) -> Answer:
    """The same for a handler that has long work to do before it stores anything: `prepare` holds no connection.

    A request that is repeated before the first one is answered is prepared once more, but stored once. Raises
    ConflictError and InvalidError as the decorator does.
    """
    if key is None:
        return await store(await prepare())
    call = await _identify(request, key)
    async with database.session(request.user) as looking:
        replayed = await _replay(looking, call)
    if replayed is not None:
        return cast(Answer, replayed)
    prepared = await prepare()
    return await _once(session, call, lambda: store(prepared))


async def _once(session: AsyncSession, call: _Call, work: Callable[[], Awaitable[Answer]]) -> Answer:
    """Raises ConflictError while the first is under way, InvalidError where the key was used for another body."""
    await _take_turn(session, call)
    replayed = await _replay(session, call)
    if replayed is not None:
        return cast(Answer, replayed)
    answer = await work()
    await _store(session, call, answer)
    return answer


async def _identify(request: Request[Any, Any, Any], key: str) -> _Call:
    caller: Principal = request.user
    assert caller.user_id is not None, "only people make things"
    request_hash = hash_request(request.method, request.url.path, key)
    body_hash = _hash(await _body(request))
    return _Call(caller.user_id, request_hash, body_hash, request.route_handler.status_code)


async def _replay(session: AsyncSession, call: _Call) -> Response[bytes] | None:
    """The stored answer, if there is one. Raises InvalidError where the key was used for another body."""
    stored = await _find(session, call.request)
    if stored is None:
        return None
    if stored.body_hash != call.body_hash:
        raise InvalidError(
            "This key was used for another request; take a new one.",
            path="Idempotency-Key",
            code="idempotency_key_reused",
        )
    headers = {"Idempotency-Replayed": "true"} | ({"ETag": stored.etag} if stored.etag else {})
    return Response(stored.answer, status_code=stored.status, media_type="application/json", headers=headers)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """A form without its boundary, which a client makes anew for each try."""
    _, options = request.content_type
    boundary = options.get("boundary", "").encode()
    body = await request.body()
    return body.replace(boundary, b"") if boundary else body


def hash_request(method: str, path: str, key: str) -> bytes:
    """What the table knows a request by: the keys of clients are not stored."""
    return _hash(method, path.rstrip("/"), key)


def _hash(*parts: str | bytes) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


# --- statements, as the caller ----------------------------------------------------------------------------------------

_LOCK = text("select pg_try_advisory_xact_lock(:number)")
_FORGET = text("""
    delete from assistant.stored_answers
    where user_id = (select auth.uid()) and request = :request and created_at < now() - interval '24 hours'""")
_FIND = text("""
    select body_hash, status, answer, etag from assistant.stored_answers
    where user_id = (select auth.uid()) and request = :request""")
_STORE = text("""
    insert into assistant.stored_answers (user_id, request, body_hash, status, answer, etag)
    values (:user_id, :request, :body_hash, :status, :answer, :etag)""")


async def _take_turn(session: AsyncSession, call: _Call) -> None:
    """Until the transaction ends nobody else works on this request. What the first one stored is read afterwards: a
    statement that did both would look at the table as it was before it had the lock.
    """
    number = int.from_bytes(_hash(call.user_id.bytes, call.request)[:8], "big", signed=True)
    if not await session.scalar(_LOCK, {"number": number}):
        busy = ConflictError("This request is being worked on; ask again in a moment.", code="request_running")
        busy.retry_after = 1
        raise busy


async def _find(session: AsyncSession, request: bytes) -> _Stored | None:
    await session.execute(_FORGET, {"request": request})
    row = (await session.execute(_FIND, {"request": request})).first()
    return None if row is None else _Stored(*row)


async def _store(session: AsyncSession, call: _Call, answer: Outgoing) -> None:
    kept = msgspec.structs.replace(answer, **dict.fromkeys(answer.shown_once))
    values = {**call._asdict(), "answer": msgspec.json.encode(kept), "etag": entity_tag(answer)}
    await session.execute(_STORE, values)
