"""What the service says about itself: log lines, request ids, metrics. Never a token, a body or a text of a learner."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from random import getrandbits
from time import perf_counter
from typing import Any, Final, TextIO

import psycopg
import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from structlog.typing import EventDict, WrappedLogger

from assistant.errors import AssistantError

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)

_OURS: Final = logging.getLogger("assistant")
"""Whose level ours is: asking it costs nothing, a logger that drops what it is told has first to be made."""


# --- logs -------------------------------------------------------------------------------------------------------------


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """One JSON object per line on `stream` (default: stderr), or coloured text where that is a terminal.

    `level`: debug, info, warning or error. Under debug it is our own code that says more.
    """
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where_it_failed,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # What libraries say for debugging holds whatever they were given: prompts, parameters, headers.
    logging.basicConfig(handlers=[handler], level="INFO" if level == "debug" else level.upper(), force=True)
    _OURS.setLevel(level.upper())
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # they log addresses with everything in them
    for chatty in ("alembic.runtime.plugins", "procrastinate.blueprints", "procrastinate.periodic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # they say that they are there
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _where_it_failed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Types and places of an exception and its causes, in place of `exc_info`.

    Not their messages: those of the database driver and of parsers quote what people wrote.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """A traceback without the messages that may hold a learner's text."""
    lines = traceback.format_tb(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{describe(cause)}\n" if cause is not None else ""
    nested = (
        "".join(f"\n| {describe(one)}" for one in error.exceptions) if isinstance(error, BaseExceptionGroup) else ""
    )
    return f"{before}{''.join(lines)}{_name(error)}{nested}"


def _name(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return f"{name} (SQLSTATE {error.sqlstate})"
    return f"{name}: {error}" if isinstance(error, AssistantError) else name


# --- metrics ----------------------------------------------------------------------------------------------------------


class Metrics:
    """What `/metrics` shows of one application; other features add theirs to the `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "goalspace_http_requests", "Answered requests", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "goalspace_http_response_start_seconds",
            "Time until a response began",
            ("method", "route"),
            registry=self.registry,
        )
        self._of_route: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answered request; looking up its labels anew would take longer than counting it."""
        known = self._of_route.get((method, route, status))
        if known is None:
            known = self.requests.labels(method, route, status), self.seconds.labels(method, route)
            self._of_route[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)


# --- requests ---------------------------------------------------------------------------------------------------------


def request_id(scope: Scope | MutableMapping[str, Any]) -> str:
    """The caller's own `X-Request-ID` where it is harmless, else a new one; the same for the whole request."""
    state: dict[str, Any] = scope["state"]
    if "request_id" not in state:
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"
    return str(state["request_id"])


class ObserveRequests(ASGIMiddleware):
    """Puts the request id on every log line of a request; counts and times it by route, never by address."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        started = perf_counter()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._record(scope, message["status"], perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id(scope)):
            await next_app(scope, receive, observe)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = str(scope.get("method", "")), str(scope.get("path_template", ""))
        self._metrics.count(method, route, status, seconds)
        if _OURS.isEnabledFor(logging.DEBUG):
            log.debug("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1))
