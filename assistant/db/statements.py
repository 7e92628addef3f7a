"""Statements that run dozens of times a second: a transaction each, in one round trip.

The ORM's way costs four round trips and three times the processor time (docs/performance.md). Here identity and
statements travel together, and PostgreSQL treats what comes in one piece as one transaction: all of it or nothing.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, LiteralString
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.engine import URL

from assistant.db.connection import CLIENT_SECONDS, patient_for
from assistant.db.engine import CONNECT_SECONDS, IDENTIFY, POOL_WAIT_SECONDS, PREPARE_AFTER, libpq_url
from assistant.db.errors import DatabaseUnavailableError, as_known_error
from assistant.db.identity import MissingIdentityError, Principal, Role
from assistant.db.roundtrip import Remembered, Row, run_together

Statement = tuple[LiteralString, Sequence[Any] | dict[str, Any]]

BEGIN: Final = f"{IDENTIFY}, set_config('plan_cache_mode', 'force_generic_plan', true)"
"""A plan is made once for each connection. Left to itself the server takes a limit that it does not know for many rows,
so that planning a list anew seems cheaper each time, and plans for as long as the list takes to read."""

RECONNECT_SECONDS: Final = 20.0
"""How long the pool tries to replace a lost connection before a request makes it try again."""


class StatementPool:
    """Connections for such statements; open it before the first, close it after the last."""

    def __init__(
        self, url: str | URL, *, roles: Collection[Role], size: int, application: str, prepares: bool = True
    ) -> None:
        address = libpq_url(url)
        self._roles = frozenset(roles)
        self._remembered: WeakKeyDictionary[psycopg.AsyncConnection[Any], Remembered] = WeakKeyDictionary()
        self._pool = AsyncConnectionPool(
            address,
            min_size=1,
            max_size=size,
            timeout=POOL_WAIT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
            configure=_configure,
            connection_class=patient_for(CLIENT_SECONDS),
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_SECONDS,
                "application_name": f"goalspace {application}",
                "prepare_threshold": PREPARE_AFTER if prepares else None,
            },
        )

    async def open(self) -> None:
        """Does not wait for a connection: a database that is away is found out by the first statement."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def run(self, principal: Principal, statements: Sequence[Statement]) -> list[list[Row]]:
        """The rows of each statement, all of them in one transaction as `principal`.

        Repeated once where a connection turns out to be dead: a statement must bear to be run twice.
        Raises the errors of `assistant.db.errors`, MissingIdentityError.
        """
        if principal.role not in self._roles:
            raise MissingIdentityError(f"this pool serves {sorted(self._roles)}, not {principal.role!r}")
        with as_known_error():
            try:
                return await self._run(principal, statements)
            except psycopg.errors.FeatureNotSupported:
                # A column's type has changed under a plan, by a revision that was applied meanwhile.
                for remembered in self._remembered.values():
                    remembered.names.clear()
                return await self._run(principal, statements)
            except PoolTimeout as exc:
                raise DatabaseUnavailableError("The service is busy; please try again in a moment.") from exc
            except psycopg.OperationalError as exc:
                if exc.sqlstate is not None and not exc.sqlstate.startswith(("08", "57P")):
                    raise
            # One dead connection means that the others are dead, too: let them be replaced before the second try.
            await self._pool.check()
            return await self._run(principal, statements)

    async def _run(self, principal: Principal, statements: Sequence[Statement]) -> list[list[Row]]:
        # Not `connection()`, which would also ask a transaction to end that the server has ended.
        connection = await self._pool.getconn()
        try:
            remembered = self._remembered.setdefault(connection, Remembered())
            begin = (BEGIN, (principal.role, principal.claims))
            return await run_together(connection, remembered, statements, after=[begin])
        finally:
            await self._pool.putconn(connection)


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)
    set_json_dumps(msgspec.json.encode, connection)
