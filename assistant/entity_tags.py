"""Entity tags: what a client has seen of an object, so that it is not sent twice and not overwritten unseen.

Every answer that is one object has an `ETag` of two parts, `"version"` or `"version.rest"`. The first is made from what
people write, the second from what changes by itself, such as how far a document is indexed. `If-None-Match` asks for
both, `If-Match` for the first only: a rename is not refused because a job went on meanwhile.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, Self

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.params import HeaderParameter
from litestar.response import Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import BadRequestError, ChangedError
from assistant.http import Outgoing

HEADER_BYTES: Final = 2000
"""Room for some sixty tags of ours."""

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST: Final = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_EACH: Final = re.compile(_TAG)


def entity_tag(shown: Outgoing) -> str:
    """The tag of an object as it is shown."""
    fields = msgspec.structs.asdict(shown)
    rest = {name: fields.pop(name) for name in shown.unversioned}
    return f'"{_digest(fields)}.{_digest(rest)}"' if rest else f'"{_digest(fields)}"'


def _digest(fields: dict[str, Any]) -> str:
    return urlsafe_b64encode(blake2b(msgspec.json.encode(fields), digest_size=12).digest()).decode()


def _version(tag: str) -> str:
    return tag.strip('"').partition(".")[0]


@dataclass(frozen=True, slots=True)
class Tags:
    """What a header lists; `*` stands for whatever there is."""

    strong: frozenset[str]
    weak: frozenset[str]
    any: bool = False

    @classmethod
    def parse(cls, name: str, headers: Headers) -> Self | None:
        """None where the header is not there. Raises BadRequestError where it is malformed."""
        text = ", ".join(headers.getall(name, [])).strip()
        if not text:
            return None
        if text == "*":
            return cls(frozenset(), frozenset(), any=True)
        if len(text) > HEADER_BYTES or _LIST.fullmatch(text) is None:
            raise BadRequestError(f'{name} lists entity tags, such as "abc", or is *.', code="bad_entity_tag")
        tags = _EACH.findall(text)
        weak = frozenset(tag.removeprefix("W/") for tag in tags if tag.startswith("W/"))
        return cls(frozenset(tag for tag in tags if not tag.startswith("W/")), weak)

    def name(self, tag: str) -> bool:
        """Whether the object as it is shown is among them; a proxy that compressed it may have made the tag weak."""
        return bool(tag) and (self.any or tag in self.strong or tag in self.weak)

    def name_version(self, tag: str) -> bool:
        """Whether what people wrote is as one of them saw it. A weak tag promises too little for that."""
        return self.any or _version(tag) in {_version(strong) for strong in self.strong}


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold for a change to be made: the `If-Match` and `If-None-Match` of a request."""

    match: Tags | None
    none_match: Tags | None

    @property
    def given(self) -> bool:
        return self.match is not None or self.none_match is not None

    def check(self, shown: Outgoing) -> None:
        """`shown` is the object as it is now. Raises ChangedError."""
        tag = entity_tag(shown)
        if self.match is not None and not self.match.name_version(tag):
            raise ChangedError("It was changed since you read it; read it again before you change it.")
        if self.none_match is not None and self.none_match.name(tag):
            raise ChangedError("It is there already.")

    async def hold(
        self, session: AsyncSession, row: ColumnElement[bool], read: Callable[[], Awaitable[Outgoing]]
    ) -> None:
        """Lock the row that fulfils `row` and compare it, as `read` shows it, so that of two writers one wins.

        A row that the caller may not change is not locked and not compared: the change itself is refused.
        Raises ChangedError.
        """
        if not self.given:
            return
        if await session.scalar(select(literal(1)).where(row).with_for_update(key_share=True)) is not None:
            self.check(await read())


def provide_preconditions(
    request: ASGIConnection[Any, Any, Any, Any],
    if_match: Annotated[
        str | None,
        HeaderParameter(name="If-Match", description="Entity tags: change it only if it is still one of these."),
    ] = None,
    if_none_match: Annotated[
        str | None,
        HeaderParameter(name="If-None-Match", description="Entity tags: change it only if it is none of these."),
    ] = None,
) -> Preconditions:
    """The parameters are for the API's description; a header may be there several times, which one value cannot say."""
    return Preconditions(Tags.parse("If-Match", request.headers), Tags.parse("If-None-Match", request.headers))


async def tag_answer(response: Response[Any]) -> Response[Any]:
    """After each handler: what answers with one object says its tag. A plain function would be run in a thread."""
    if isinstance(response.content, Outgoing):
        response.headers["ETag"] = entity_tag(response.content)
    return response


class NotModified(ASGIMiddleware):
    """Answers 304 where the client of a GET has what would be sent."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        asks = scope.get("method") == "GET" and any(name == b"if-none-match" for name, _ in scope["headers"])
        known = Tags.parse("If-None-Match", Headers.from_scope(scope)) if asks else None
        if known is None:
            await next_app(scope, receive, send)
            return
        spared = False

        async def send_unless_known(message: Message) -> None:
            nonlocal spared
            if spared:
                return
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = list(message["headers"])
                spared = known.name(dict(headers).get(b"etag", b"").decode())
                if spared:
                    kept = [pair for pair in headers if pair[0] not in (b"content-type", b"content-length")]
                    await send({"type": "http.response.start", "status": 304, "headers": kept})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
            await send(message)

        await next_app(scope, receive, send_unless_known)
