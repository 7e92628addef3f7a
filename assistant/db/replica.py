"""A streaming replica: reads that may be some seconds old go there, as long as it is there and near.

near      it has replayed all that the primary had written when we asked, or its last change is recent enough
away      nobody waits for it twice: for some seconds all goes to the primary
promoted  it is no replica any more, and what it holds may be another history: all goes to the primary
"""

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from assistant.db.engine import PRINCIPAL, create_engine
from assistant.db.errors import as_known_error
from assistant.db.identity import ANONYMOUS, Principal, Role

log = structlog.get_logger(__name__)

ROLES: Final[tuple[Role, ...]] = ("anon", "authenticated")

LOOK_SECONDS: Final = 2.0
"""How long it counts as near, once it was."""
AWAY_SECONDS: Final = 10.0
"""How long nobody asks again, once it was not."""
ANSWER_SECONDS: Final = 1.0

_FAULTS: Final = (DBAPIError, PoolTimeoutError, TimeoutError, OSError)

_PRIMARY: Final = text("select pg_current_wal_lsn()::text")
_REPLICA: Final = text("""
    select pg_is_in_recovery() and (pg_last_wal_replay_lsn() >= cast(:written as pg_lsn)
        or now() - pg_last_xact_replay_timestamp() <= make_interval(secs => :lag))
""")


class Replica:
    """`url` is that of the clients' login there; `lag_seconds` is how old an answer may be."""

    def __init__(self, url: str | URL, *, pool_size: int, lag_seconds: float, prepares: bool = True) -> None:
        self._engine = create_engine(
            url, roles=ROLES, pool_size=pool_size, application="analytics", prepares=prepares, read_only=True
        )
        self._lag = lag_seconds
        self._lock = asyncio.Lock()
        self._is_near = False
        self._look_at = 0.0

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def open(self, principal: Principal, primary: AsyncEngine, stack: AsyncExitStack) -> AsyncSession | None:
        """A session in a transaction as `principal` that ends with `stack`; None: ask the primary."""
        if not await self._is_usable(primary):
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS), AsyncExitStack() as opened:
                session = await opened.enter_async_context(
                    AsyncSession(_acting(self._engine, principal), expire_on_commit=False)
                )
                await opened.enter_async_context(session.begin())
                await session.connection()  # begins on the server, so that its being away is found out here
                transaction = opened.pop_all()
        except _FAULTS as exc:
            self._note(False, type(exc).__name__)
            return None
        stack.enter_context(as_known_error())
        stack.push_async_exit(transaction)
        return session

    async def _is_usable(self, primary: AsyncEngine) -> bool:
        """Asked of the servers at most every few seconds; meanwhile others take the last answer."""
        if monotonic() < self._look_at or self._lock.locked():
            return self._is_near
        async with self._lock:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._note(await self._look(primary), "lag")
            except _FAULTS as exc:
                self._note(False, type(exc).__name__)
        return self._is_near

    async def _look(self, primary: AsyncEngine) -> bool:
        async with _acting(primary, ANONYMOUS).connect() as connection:
            written = await connection.scalar(_PRIMARY)
        async with _acting(self._engine, ANONYMOUS).connect() as connection:
            return bool(await connection.scalar(_REPLICA, {"written": written, "lag": self._lag}))

    def _note(self, is_near: bool, reason: str) -> None:
        if is_near != self._is_near:
            log.info("replica_used") if is_near else log.warning("replica_not_used", reason=reason)
        self._is_near = is_near
        self._look_at = monotonic() + (LOOK_SECONDS if is_near else AWAY_SECONDS)


def _acting(engine: AsyncEngine, principal: Principal) -> AsyncEngine:
    return engine.execution_options(**{PRINCIPAL: principal})
