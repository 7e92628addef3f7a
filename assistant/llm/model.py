"""The model client: the Messages API, streamed, with one layer of retries.

A call goes through four gates, in this order:

    breaker      a model that keeps failing is not called at all
    try          open the stream and read up to the first content
    back-off     a failed try is repeated while nothing was seen: bounded in tries, in time, and as a share of all calls
    fallback     another model, once

A try with a model that takes no tools is made again without them, at once.

From the first content on nothing is repeated: the reader has seen it. Why neither the SDK's retries nor its event
objects are used: docs/decisions/0004-model-client.md.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import anthropic
import httpx2
import msgspec
import structlog

from assistant.errors import ConfigurationError
from assistant.llm.events import (
    NO_USAGE,
    Completed,
    FellBack,
    Model,
    ModelError,
    ModelErrorCode,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolInputDelta,
    ToolUseStarted,
    Usage,
)
from assistant.llm.pricing import resolve_model
from assistant.llm.retry import Backoff, CircuitBreaker, Clock, RetryBudget, parse_retry_after
from assistant.llm.stream import AnswerParser
from assistant.llm.toolless import says_no_tools, without_tools

__all__ = [
    "NO_USAGE",
    "AnthropicModel",
    "Completed",
    "Model",
    "ModelError",
    "ModelErrorCode",
    "ModelEvent",
    "ModelRequest",
    "TextDelta",
    "ToolInputDelta",
    "ToolUseStarted",
    "Usage",
]

log = structlog.get_logger(__name__)

DEFAULT_BASE_URL: Final = "https://api.anthropic.com"

DEFAULT_BACKOFF: Final = Backoff()

FIRST_BYTE_SECONDS: Final = 15.0
OWN_FIRST_BYTE_SECONDS: Final = 60.0
"""Of a server of one's own, which may need as long to read the question without a graphics card."""

DRAIN_SECONDS: Final = 0.25
"""After `message_stop` the body's end is waited for this long, so that the connection can be used again."""

MAX_MODELS: Final = 256
"""Models whose health is remembered. Names come from people, so there may be any number of them."""

_STATUS_CODES: Final[dict[int, ModelErrorCode]] = {
    401: "model_auth",
    402: "model_auth",
    403: "model_auth",
    404: "model_not_found",
    408: "model_unavailable",
    409: "model_unavailable",
    429: "model_rate_limited",
    529: "model_overloaded",
}
"""Other 4xx are ours (`model_bad_request`), all else is theirs (`model_unavailable`)."""

_IDENTIFIER: Final = re.compile(r"[\w.:/@-]{1,80}")


@dataclass(slots=True)
class _Health:
    """What is known about one model."""

    breaker: CircuitBreaker
    budget: RetryBudget
    last_failure: ModelErrorCode = "model_unavailable"
    takes_tools: bool = True
    """Until its server says otherwise."""


class _ToolsRefusedError(Exception):
    """The server says that this model takes no tools."""


class AnthropicModel:
    """Any server that speaks the Messages API. One instance per process: it holds the connections and the breakers.

    Time-outs are in seconds: `connect_timeout` for a connection, `first_byte_timeout` from the call to the first byte
    of the answer (unset: by whether `base_url` is given), `stall_timeout` (or `first_byte_timeout`, if that is longer)
    between two later ones.

    `fallback` names a model that is tried once when the requested one fails in a way that another may not. `clock`,
    `now` (time of day), `chance` and `sleep` are there for tests.
    Raises ConfigurationError for a key that no HTTP header can hold.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        fallback: str | None = None,
        connect_timeout: float = 5.0,
        first_byte_timeout: float | None = None,
        stall_timeout: float = 30.0,
        backoff: Backoff = DEFAULT_BACKOFF,
        clock: Clock = time.monotonic,
        now: Clock = time.time,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if first_byte_timeout is None:
            first_byte_timeout = FIRST_BYTE_SECONDS if base_url is None else OWN_FIRST_BYTE_SECONDS
        # The transport watches for stalls: a timer of ours around each read costs a fifth of the whole call.
        timeout = httpx2.Timeout(max(stall_timeout, first_byte_timeout), connect=connect_timeout, pool=connect_timeout)
        self._client = _build_client(api_key, base_url or DEFAULT_BASE_URL, timeout)
        self._fallback = fallback and resolve_model(fallback)
        self._first_byte_timeout = first_byte_timeout
        self._backoff = backoff
        self._clock = clock
        self._now = now
        self._chance = chance
        self._sleep = sleep
        self._models: dict[str, _Health] = {}

    @property
    def name(self) -> str:
        return "anthropic"

    @property
    def fallback(self) -> str | None:
        return self._fallback

    async def aclose(self) -> None:
        """Close all connections; calls in progress fail."""
        await self._client.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer once; see `Model.stream`. Wrapped in `contextlib.aclosing` it also ends at once when left early."""
        asked = resolve_model(request.model)
        answer = await self._begin(replace(request, model=asked))
        try:
            if answer.model != asked:
                yield FellBack(answer.model)
            while True:
                for event in answer.take():
                    yield event
                if answer.done:
                    await answer.drain()
                    return
                await answer.read()
        finally:
            await answer.aclose()

    async def _begin(self, request: ModelRequest) -> "_Answer":
        """An answer whose content has begun, from the requested model or from the fallback."""
        try:
            return await self._begin_with_retries(request)
        except ModelError as error:
            if not error.retryable or not self._fallback or self._fallback == request.model:
                raise
            failed, fallback = error, self._fallback
        log.warning("model_fallback", model=_loggable(request.model), fallback=fallback, code=failed.code)
        health = self._health(fallback)
        if not health.breaker.admit():
            raise failed
        spent = _known(failed.usage, NO_USAGE)
        return await self._try(replace(request, model=fallback), health, spent, self._first_byte_timeout)

    async def _begin_with_retries(self, request: ModelRequest) -> "_Answer":
        health = self._health(request.model)
        health.budget.note_call()
        started, tried, limit, spent = self._clock(), 0, self._first_byte_timeout, NO_USAGE
        failed: ModelError | None = None
        while health.breaker.admit():
            tried += 1
            try:
                return await self._try(request, health, spent, limit)
            except ModelError as error:
                failed, spent = error, _known(error.usage, spent)
            wait = self._wait(failed, tried, self._clock() - started)
            if wait is None or wait < health.breaker.wait() or not health.budget.take():
                break
            await self._sleep(wait)
            # A retry gets what is left of a person's patience, not all of it again.
            limit = min(limit, max(1.0, self._backoff.total - (self._clock() - started)))
        raise failed or ModelError(health.last_failure, retryable=True, retry_after=health.breaker.wait())

    def _wait(self, failed: ModelError, tried: int, elapsed: float) -> float | None:
        if not failed.retryable:
            return None
        return self._backoff.delay(tried, elapsed, self._chance(), failed.retry_after)

    def _health(self, model: str) -> _Health:
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                del self._models[next(iter(self._models))]
            self._models[model] = _Health(CircuitBreaker(self._clock), RetryBudget(self._clock))
        return self._models[model]

    async def _try(self, request: ModelRequest, health: _Health, spent: Usage, limit: float) -> "_Answer":
        """One call, up to its first content; `limit` is for its first byte. `spent` is what earlier tries used."""
        answer = _Answer(request.model, spent)
        try:
            await self._open(answer, request, limit)
        except BaseException as error:  # cancelled, too: nobody will read this answer
            await answer.aclose()
            _take_note(health, error)
            raise
        health.breaker.succeeded()
        return answer

    async def _open(self, answer: "_Answer", request: ModelRequest, limit: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit) as patience:
                answer.attach(await self._send(answer, request))
                await answer.read()
        if patience.expired():
            raise answer.fail("model_timeout")
        while not answer.begun:
            await answer.read()

    async def _send(self, answer: "_Answer", request: ModelRequest) -> httpx2.Response:
        """The provider's response, its body unread. Raises ModelError if it is not a success."""
        health = self._health(request.model)
        if health.takes_tools:
            try:
                return await self._post(answer, request)
            except _ToolsRefusedError:
                health.takes_tools = False
                log.warning("model_takes_no_tools", model=_loggable(request.model))
        return await self._post(answer, without_tools(request))

    async def _post(self, answer: "_Answer", request: ModelRequest) -> httpx2.Response:
        """As `_send`. Raises _ToolsRefusedError where the tools are what the server will not take."""
        error: Exception
        try:
            response = await self._client.messages.with_raw_response.create(
                model=request.model,
                max_tokens=request.max_tokens,
                system=cast(Any, request.system) or anthropic.omit,
                messages=cast(Any, in_one_order(request.messages)),
                tools=cast(Any, request.tools) or anthropic.omit,
                stream=True,
            )
        except anthropic.APIStatusError as exc:
            unfit = exc.status_code == 400 and request.tools and says_no_tools(exc.api_message)
            error = _ToolsRefusedError() if unfit else self._refusal(answer, exc)
        except (anthropic.APIConnectionError, httpx2.HTTPError) as exc:
            error = _unreached(answer, exc.__cause__ or exc)
        else:
            return response.http_response
        raise error  # out here it drags no foreign exception along, whose text and request are not for logs

    def _refusal(self, answer: "_Answer", exc: anthropic.APIStatusError) -> ModelError:
        status, headers = exc.status_code, exc.response.headers
        other: ModelErrorCode = "model_bad_request" if 400 <= status < 500 else "model_unavailable"
        error = answer.fail(
            _STATUS_CODES.get(status, other),
            usage=NO_USAGE,
            status=status,
            type=_loggable(exc.type),
            error_code=_loggable(exc.error_code),
            request_id=_loggable(exc.request_id),
        )
        error.retry_after = parse_retry_after(headers, self._now())
        if status == 429:
            # Without a time it is no momentary limit; a spend limit lasts to the end of the month.
            spend = "spend" in f"{exc.error_code} {exc.api_message}".lower()
            error.retryable = error.retry_after is not None and not spend
        if headers.get("x-should-retry") == "false":
            error.retryable = False
        return error


class _Answer:
    """One response being read. Errors are raised only after all events before them were taken."""

    def __init__(self, model: str, spent: Usage) -> None:
        self.model = model
        self._spent = spent
        self._parser = AnswerParser(model, spent)
        self._pending: list[ModelEvent] = []
        self._response: httpx2.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    @property
    def begun(self) -> bool:
        return self._parser.begun or self._parser.done

    @property
    def done(self) -> bool:
        return self._parser.done

    def attach(self, response: httpx2.Response) -> None:
        self._response, self._chunks = response, response.aiter_bytes()
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise self.fail("model_malformed", content_type=_loggable(kind.partition(";")[0]))

    def take(self) -> list[ModelEvent]:
        events, self._pending = self._pending, []
        return events

    async def read(self) -> None:
        """Wait for more bytes and turn them into events."""
        if failure := self._parser.failure:
            self._log(failure.code, fault=_loggable(self._parser.fault))
            raise failure
        assert self._chunks is not None, "attached before it is read"
        code: ModelErrorCode = "model_dropped"
        try:
            chunk = await anext(self._chunks, None)
        except httpx2.ReadTimeout:
            chunk, code = None, "model_stalled"
        except httpx2.HTTPError:
            chunk = None
        if chunk is None:
            raise self.fail(code)
        self._pending += self._parser.feed(chunk)

    def fail(self, code: ModelErrorCode, *, usage: Usage | None = None, **facts: object) -> ModelError:
        """The error to raise, logged. `usage` is this try's own; None: what the stream has reported."""
        self._log(code, **facts)
        return ModelError(code, usage=self._parser.usage if usage is None else self._spent + usage)

    def _log(self, code: str, **facts: object) -> None:
        log.warning("model_call_failed", model=_loggable(self.model), code=code, begun=self.begun, **facts)

    async def drain(self) -> None:
        assert self._chunks is not None, "attached before it is read"
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in self._chunks:
                    pass

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._response is not None:
            await self._response.aclose()


def _build_client(api_key: str | None, base_url: str, timeout: httpx2.Timeout) -> anthropic.AsyncAnthropic:
    if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key):
        raise ConfigurationError("ANTHROPIC_API_KEY holds characters that no key has, such as a line break.")
    # A credential is passed in any case, else the SDK would look for one in the environment and in files of the user.
    # A server of one's own may need none: then the header is left out.
    keyless: dict[str, Any] = {"auth_token": "", "default_headers": {"Authorization": anthropic.Omit()}}
    return anthropic.AsyncAnthropic(
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        # The SDK's other transport: its parser is written in C, which is half of what a call costs us.
        http_client=anthropic.DefaultAioHttpClient(timeout=timeout),
        **({"api_key": api_key} if api_key else keyless),
    )


def _unreached(answer: _Answer, cause: BaseException) -> ModelError:
    """No response. Without a connection nothing was used; otherwise nobody knows."""
    if isinstance(cause, httpx2.ReadTimeout):
        return answer.fail("model_timeout")
    unconnected = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return answer.fail("model_unavailable", usage=NO_USAGE if unconnected else None, cause=type(cause).__name__)


def _known(usage: Usage, otherwise: Usage) -> Usage:
    """`usage` if the provider reported any. A try of which nothing is known must not hide what is known of others."""
    return otherwise if usage.input_tokens is None else usage


def _take_note(health: _Health, error: BaseException) -> None:
    """Tell the breaker. A refusal is an answer, so somebody is there; a cancelled call says nothing."""
    if not isinstance(error, ModelError):
        return
    if error.retryable:
        health.last_failure = cast(ModelErrorCode, error.code)
        health.breaker.failed()
    else:
        health.breaker.succeeded()


def _loggable(value: str | None) -> str | None:
    """An identifier as it is; anything else a provider or a person put in its place stays out of the log."""
    return value if value is None or _IDENTIFIER.fullmatch(value) else "other"


def in_one_order(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same messages, the members of each object in the order of their names.

    What was stored has its members in another order than what was just written, and a provider's cache knows a prompt
    again by its bytes.
    """
    ordered: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(messages, order="sorted"))
    return ordered
