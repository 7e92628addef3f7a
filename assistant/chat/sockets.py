"""Who may open a websocket and keep it: origins, counts, and the watch for access that was taken away."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from assistant.chat import repository
from assistant.db.session import Database
from assistant.errors import AssistantError, ForbiddenError, TooManyRequestsError, UnavailableError

log = structlog.get_logger(__name__)

PER_USER: Final = 100
"""Sockets of one person: many tabs and devices."""

PER_PROCESS: Final = 6_000
"""Beyond this a process would have no air left for anything else."""

WATCH_SECONDS: Final = 4.0
"""Access that was taken away closes a socket within five seconds."""


@dataclass(slots=True, eq=False)
class Seat:
    """The place of one open socket."""

    user_id: UUID
    space_id: UUID
    key_id: UUID | None
    """The key that it was opened with, if it was one."""
    on_revoked: Callable[[], None] = lambda: None


class Keys(Protocol):
    async def lost(self, key_ids: Collection[UUID]) -> set[UUID]:
        """Those that are no longer good."""


class SocketGate:
    """One per process."""

    def __init__(self, database: Database, keys: Keys, allowed_origins: Collection[str]) -> None:
        self._database = database
        self._keys = keys
        self._allowed_origins = frozenset(allowed_origins)
        self._per_user: Counter[UUID] = Counter()
        self._seats: set[Seat] = set()

    def check_origin(self, origin: str | None, host: str | None) -> None:
        """Browsers say where a page came from; other programs, which hold a token of their own, need not.

        Raises ForbiddenError for a page that neither we serve nor the settings name.
        """
        if origin is None:
            return
        parts = urlsplit(origin)
        exact = f"{parts.scheme}://{parts.netloc}".lower()
        ours = parts.scheme in ("http", "https") and parts.netloc.lower() == (host or "").lower()
        if exact != origin.lower() or not (ours or exact in self._allowed_origins):
            raise ForbiddenError("Pages of this origin may not connect.", code="origin_not_allowed")

    @contextmanager
    def admit(self, user_id: UUID, space_id: UUID, key_id: UUID | None = None) -> Iterator[Seat]:
        """A seat while the socket is open.

        Its `on_revoked` is called once its user may no longer see the space, or its key is no longer good.

        Raises TooManyRequestsError, UnavailableError.
        """
        if self._per_user[user_id] >= PER_USER:
            raise TooManyRequestsError(f"At most {PER_USER} connections are open at a time.", retry_after=10)
        if len(self._seats) >= PER_PROCESS:
            raise UnavailableError("The service has no room for another connection.")
        seat = Seat(user_id, space_id, key_id)
        self._per_user[user_id] += 1
        self._seats.add(seat)
        try:
            yield seat
        finally:
            self._seats.remove(seat)
            self._per_user[user_id] -= 1
            if not self._per_user[user_id]:
                del self._per_user[user_id]

    async def run(self) -> None:
        """Look after all open sockets with one statement, for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self._seats:
                continue
            try:
                await self._revoke()
            except AssistantError as error:
                log.warning("access_not_checked", code=error.code)

    async def _revoke(self) -> None:
        pairs = {(seat.user_id, seat.space_id) for seat in self._seats}
        lost = await repository.lost_access(self._database, pairs)
        keys = {seat.key_id for seat in self._seats if seat.key_id is not None}
        lost_keys = await self._keys.lost(keys) if keys else set()
        for seat in self._seats:
            if (seat.user_id, seat.space_id) in lost or seat.key_id in lost_keys:
                seat.on_revoked()
