"""What all HTTP endpoints share: problem details, the base of wire structs, guards, headers."""

import re
from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Annotated, Any, ClassVar, Final, LiteralString, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog
from litestar.connection import ASGIConnection, Request
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.response import Response
from litestar.types import ASGIApp, Guard, Message, Receive, Scope, Send
from sqlalchemy.exc import DBAPIError

from assistant.body import explain
from assistant.db.base import Base
from assistant.db.errors import translate
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import AssistantError, InvalidError, NotFoundError, UnauthorizedError
from assistant.telemetry import request_id

log = structlog.get_logger(__name__)

PROBLEM: Final = "application/problem+json"

DEFAULT_BODY_BYTES: Final = 256 * 1024
"""For every route that does not set its own `request_max_body_size`."""

T = TypeVar("T")


# --- wire structs -----------------------------------------------------------------------------------------------------


class Incoming(msgspec.Struct, forbid_unknown_fields=True):
    """Base of every input: what a client may say, and nothing else."""

    def changes(self) -> dict[str, Any]:
        """The fields that were sent, for a PATCH."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not msgspec.UNSET}


class Outgoing(msgspec.Struct):
    """Base of every output."""

    unversioned: ClassVar[tuple[str, ...]] = ()
    """Fields that change without anybody's writing: a change of them is no reason to refuse another's change."""
    shown_once: ClassVar[tuple[str, ...]] = ()
    """Fields that are never shown again, also not to who repeats the request; null then."""


Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\S", description="Not only spaces.")]
Prose = Annotated[str, msgspec.Meta(max_length=20_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True, description="With its offset from UTC.")]
Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


def to_schema(row: object, schema: type[T]) -> T:
    """A wire struct from a row's attributes."""
    return msgspec.convert(row, schema, from_attributes=True)


# --- problem details --------------------------------------------------------------------------------------------------


class UnexpectedError(AssistantError):
    """Nothing that a caller could understand or should see."""


_PLAIN = {
    400: ("bad_request", "Bad request", "The request is malformed."),
    401: ("unauthorized", "Not signed in", "Sign in first."),
    403: ("forbidden", "Not allowed", "You may not do this here."),
    404: ("not_found", "Not found", "There is nothing at this address."),
    405: ("method_not_allowed", "Method not allowed", "This address does not know that method."),
    413: ("too_large", "Too large", "The body is larger than this endpoint takes."),
}


def render_problem(request: Request[Any, Any, Any], exc: Exception) -> Response[dict[str, Any]]:
    """Every error as `application/problem+json`; what is unknown is logged here and answered without its insides."""
    known, headers = _known(exc)
    if isinstance(known, UnexpectedError):
        log.error("unhandled_error", exc_info=exc)
        known.extra["request_id"] = request_id(request.scope)
    if known.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if known.retry_after is not None:
        headers["Retry-After"] = str(ceil(known.retry_after))
    return Response(problem_document(known), status_code=known.status_code, media_type=PROBLEM, headers=headers)


def problem_document(error: AssistantError) -> dict[str, Any]:
    return {
        "type": f"urn:goalspace:problem:{error.code}",
        "title": error.title,
        "status": error.status_code,
        "detail": error.detail,
        "code": error.code,
        **error.extra,
    }


def _known(exc: BaseException) -> tuple[AssistantError, dict[str, str]]:
    while isinstance(exc, BaseExceptionGroup):  # a dependency that failed while it was closed
        exc = exc.exceptions[0]
    if isinstance(exc, DBAPIError):
        exc = translate(exc.orig) or exc
    if isinstance(exc, AssistantError) and exc.status_code != 500:  # 500: a wrong configuration, met in a request
        return exc, {}
    if isinstance(exc, ValidationException):
        return _invalid(exc), {}
    if isinstance(exc, HTTPException) and exc.status_code < 500:
        return _plain(exc), dict(exc.headers or {})
    return UnexpectedError("Something went wrong on our side; the error was recorded."), {}


def _plain(exc: HTTPException) -> AssistantError:
    code, title, detail = _PLAIN.get(exc.status_code, ("http_error", "Request refused", "The request was refused."))
    error = AssistantError(detail, code=code)
    error.status_code, error.title = exc.status_code, title
    return error


_MISSING: Final = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")


def _invalid(exc: ValidationException) -> InvalidError:
    """Faults in query, path and headers; bodies are read by StrictRequest."""
    if (missing := _MISSING.match(exc.detail)) is not None:
        return InvalidError("This field is required.", path=missing["name"])
    faults = exc.extra if isinstance(exc.extra, list) else []
    errors = [_fault(fault) for fault in faults if isinstance(fault, Mapping)] or [
        {"path": "", "message": "The request is malformed."}
    ]
    error = InvalidError(errors[0]["message"], path=errors[0]["path"])
    error.extra["errors"] = errors
    return error


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    message = str(fault.get("message", ""))
    if message == "'data'" or message.endswith("required field `data`"):
        return {"path": "", "message": "A JSON body is required."}
    path, sentence = explain(message)
    name = str(fault.get("key", path))
    if fault.get("source") == "header":
        name = name.replace("_", "-").title()
    return {"path": name, "message": sentence}


# --- addresses --------------------------------------------------------------------------------------------------------


class RefuseNul(ASGIMiddleware):
    """An address may spell a NUL character, which no column can hold: nothing is called so."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if "\0" in scope["path"]:
            raise NotFoundError("There is nothing at this address.")
        if b"%00" in scope["query_string"]:
            for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
                if "\0" in name + value:
                    raise InvalidError("The text holds a NUL character, which cannot be stored.", path=name)
        await next_app(scope, receive, send)


_NAMED: Final = re.compile(r"/api/(?:runs|spaces/[^/]+/threads)/")
_WRITTEN: Final = re.compile(r"[%/]")


class KeepNames:
    """Threads and runs are called as clients like, and a name may hold a slash, which the server has decoded by now.

    Around the whole application, since routes are looked for before any middleware: the parts of such a path keep their
    slashes, and what spells them, encoded. A handler reads them with `name_in_path`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if b"%" in raw and ("%" in scope["path"] or b"%2f" in raw.lower()) and _NAMED.match(scope["path"]):
            parts = (unquote(part) for part in raw.decode("ascii", "replace").split("/"))
            scope["path"] = "/".join(_WRITTEN.sub(lambda sign: f"%{ord(sign[0]):02X}", part) for part in parts)
        await self._app(scope, receive, send)


def name_in_path(part: str) -> str:
    """A name as the client gave it, from a parameter of the path."""
    return unquote(part)


# --- guards -----------------------------------------------------------------------------------------------------------


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuses who sent no token; a bad one was refused before.

    A coroutine, since the framework runs a plain function in a thread.
    """
    caller: Principal = connection.user
    if caller.user_id is None:
        raise UnauthorizedError("Sign in first.")


def visible(model: type[Base], parameter: str, noun: str) -> Guard:
    """Answers 404 where the row that the path names is not the caller's to see, before the body is looked at."""
    statement: LiteralString = f"select 1 from public.{model.__tablename__} where id = %s"  # noqa: S608 - our own name

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        database: Database = connection.app.state.services.database
        if not await database.fetch(connection.user, statement, (connection.path_params[parameter],)):
            raise NotFoundError(f"There is no such {noun}.")

    return guard


# --- headers ----------------------------------------------------------------------------------------------------------

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_UNLESS_SET = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Origin"),
)


async def secure_headers(message: Message, scope: Scope) -> None:
    """Before each response starts, that of an error included. A page or a file may set its own policy and caching."""
    if message["type"] == "http.response.start":
        own = message["headers"]
        there = {name.lower() for name, _ in own}
        added = [pair for pair in _UNLESS_SET if pair[0] not in there]
        message["headers"] = [*own, *_ALWAYS, *added, (b"x-request-id", request_id(scope).encode())]
