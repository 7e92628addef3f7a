"""Lists by keyset: a page begins after the last item of the one before, whatever was added or removed meanwhile."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Generic, LiteralString, TypeVar
from uuid import UUID

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.params import QueryParameter

from assistant.body import strictly
from assistant.db.identity import Principal
from assistant.db.listing import Listing
from assistant.db.session import Database
from assistant.errors import BadRequestError, InvalidError, NotFoundError
from assistant.identity import person_of

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100

_MAC_BYTES: Final = 16
_MOMENT: Final[Any] = Annotated[datetime, msgspec.Meta(tz=True)]
_WILD: Final = re.compile(r"[\\%_]")

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=msgspec.Struct)

NO_NUL: Final = r"^[^\x00]*$"
"""No column can hold that character, and none is searched for it."""

SearchText = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=200,
        pattern=NO_NUL,
        description="A text that must stand in it, in capitals or not.",
    ),
]
DueBefore = Annotated[str | None, QueryParameter(format="date-time", description="Due, and earlier than this moment.")]
DueAfter = Annotated[str | None, QueryParameter(format="date-time", description="Due at this moment or later.")]
ORDER_DESCRIPTION: Final = "What the list is sorted by; with a minus, from its end. What has no date comes last of all."

Order = tuple[tuple[str, Any], ...]
"""The fields that a list is sorted by, with their types. Together they are unique."""

BY_CREATION: Final[Order] = (("created_at", datetime), ("id", UUID))


class Page(msgspec.Struct, Generic[Item]):
    """One page; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


class Cursors:
    """Signs and reads cursors. One of another caller, list, filter or order does not work."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"goalspace.cursor", "sha256")

    def encode(self, context: Sequence[object], values: Sequence[object]) -> str:
        body = msgspec.msgpack.encode(list(values))
        return base64.urlsafe_b64encode(self._sign(context, body) + body).rstrip(b"=").decode()

    def decode(self, context: Sequence[object], cursor: str, types: Sequence[Any]) -> tuple[Any, ...]:
        """Raises BadRequestError for anything but a cursor of ours for just this context."""
        with suppress(ValueError):  # not Base64, not ASCII
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            signature, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if hmac.compare_digest(signature, self._sign(context, body)):
                values: tuple[Any, ...] = msgspec.msgpack.decode(body, type=tuple[tuple(types)])  # type: ignore[misc]
                return values
        raise BadRequestError("The cursor does not belong to this list.", code="bad_cursor")

    def _sign(self, context: Sequence[object], body: bytes) -> bytes:
        names = msgspec.msgpack.encode([None if part is None else str(part) for part in context])
        return hmac.digest(self._key, hashlib.sha256(names).digest() + body, "sha256")[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class Paginator:
    """Which page of a list the caller asked for. A list is named by its `scope`: what it holds, and its filters."""

    principal: Principal
    limit: int
    cursor: str | None
    cursors: Cursors
    database: Database

    @property
    def me(self) -> UUID:
        """The caller's id. Raises UnauthorizedError.

        A handler that takes it from here needs one dependency: several of a level cost a task group for each request,
        a fifth of its time.
        """
        return person_of(self.principal)

    async def read(
        self, listing: Listing[Shown], order: str, *, q: str | None = None, **filters: object
    ) -> Page[Shown]:
        """A page of a declared list. A filter that is None is not set; `q` is a text, not a pattern.

        Raises BadRequestError (a cursor of another list, filter or order), NotFoundError (what the list belongs to).
        """
        given = {name: value for name, value in filters.items() if value is not None}
        if q is not None:
            given["q"] = f"%{_WILD.sub(_escape, q)}%"
        keys = listing.keys(order)
        context = [self.principal.user_id, listing.name, order, *(f"{name}={value}" for name, value in given.items())]
        values: dict[str, object] = {**given, "limit": self.limit + 1}
        if self.cursor is not None:
            here = self.cursors.decode(context, self.cursor, [key.type for key in keys])
            values |= {f"after_{number}": value for number, value in enumerate(here)}
        statement = listing.statement(tuple(given), order, resumed=self.cursor is not None)
        rows = await self._fetch(listing, statement, values)
        shown = listing.read(rows[: self.limit])
        more = len(rows) > self.limit
        return Page(shown, self.cursors.encode(context, [key.of(shown[-1]) for key in keys]) if more else None)

    async def _fetch(
        self, listing: Listing[Any], statement: LiteralString, values: dict[str, object]
    ) -> list[tuple[Any, ...]]:
        if listing.parent is None:
            return await self.database.fetch(self.principal, statement, values)
        parent, rows = await self.database.fetch_each(self.principal, (listing.parent, values), (statement, values))
        if not parent:
            raise NotFoundError(f"There is no such {listing.noun}.")
        return rows

    def after(self, *scope: object, order: Order = BY_CREATION) -> tuple[Any, ...] | None:
        """Values of the item that the page begins after; None: from the start. Raises BadRequestError."""
        if self.cursor is None:
            return None
        return self.cursors.decode(self._context(scope, order), self.cursor, [type_ for _, type_ in order])

    def page(self, items: Sequence[Item], *scope: object, order: Order = BY_CREATION) -> Page[Item]:
        """`items` are up to `limit` + 1: the one too many says that there is a next page."""
        shown = list(items[: self.limit])
        if len(items) <= self.limit:
            return Page(shown, None)
        values = [getattr(shown[-1], name) for name, _ in order]
        return Page(shown, self.cursors.encode(self._context(scope, order), values))

    def _context(self, scope: tuple[object, ...], order: Order) -> list[object]:
        return [self.principal.user_id, *(name for name, _ in order), *scope]


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def provide_paginator(
    request: ASGIConnection[Any, Any, Any, Any],
    state: State,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="At most so many items.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, QueryParameter(max_length=1000, description="`next_cursor` of the page before.")
    ] = None,
) -> Paginator:
    """Depends on no other dependency, and so is settled before the session opens.

    Litestar settles those of one level at the same time, and where one of them fails it abandons the others.
    """
    return Paginator(request.user, limit, cursor, state.services.cursors, state.services.database)


def read_moment(name: str, text: str | None) -> datetime | None:
    """A moment of a query, with its offset from UTC. Raises InvalidError for a number or anything else that is none."""
    if text is None:
        return None
    try:
        moment: datetime = strictly(text, _MOMENT)
    except InvalidError as exc:
        raise InvalidError(exc.detail, path=name) from exc
    return moment
