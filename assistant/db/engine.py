"""Engines, and the one hook that puts the caller's identity into every transaction that they begin."""

from collections.abc import Collection

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from assistant.db.connection import CLIENT_SECONDS, patient_for
from assistant.db.identity import MissingIdentityError, Role, current_principal

POOL_WAIT_SECONDS = 2.0
"""A caller that waits longer for a connection is told that the service is busy."""

CONNECT_SECONDS = 5

PRINCIPAL = "goalspace_principal"
"""The execution option that names the principal of a connection; without it the one of `acting_as` counts."""

IDENTIFY = "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)"
READ_ONLY = "set transaction read only"

PREPARE_AFTER = 5
"""How often a statement is run on a connection before the server keeps its plan."""


def driver_url(url: str | URL) -> URL:
    """The address with psycopg as its driver, whichever PostgreSQL spelling it came in."""
    return make_url(url).set(drivername="postgresql+psycopg")


def libpq_url(url: str | URL) -> str:
    """The same as psycopg itself and PostgreSQL's own programs take it, with its password."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def create_engine(
    url: str | URL,
    *,
    roles: Collection[Role],
    pool_size: int,
    application: str,
    patience: float = CLIENT_SECONDS,
    prepares: bool = True,
    read_only: bool = False,
) -> AsyncEngine:
    """An engine whose transactions run as the current principal, of one of `roles`; it connects on first use.

    `patience` is in seconds, for each answer of the server. Without `prepares` no statement outlives its transaction,
    as a transaction pooler demands. Raises MissingIdentityError, from `begin`, where no principal is set or one of
    another role.
    """
    engine = create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        pool_pre_ping=True,  # after a restart of the database nobody is to be told of it by a connection that is dead
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": f"goalspace {application}",
            "prepare_threshold": PREPARE_AFTER if prepares else None,
            "async_creator_fn": patient_for(patience).connect,
        },
    )
    allowed = frozenset(roles)

    @event.listens_for(engine.sync_engine, "begin")
    def identify(connection: Connection) -> None:
        principal = connection.get_execution_options().get(PRINCIPAL) or current_principal()
        if principal is None:
            raise MissingIdentityError("a transaction was begun without a principal")
        if principal.role not in allowed:
            raise MissingIdentityError(f"this engine serves {sorted(allowed)}, not {principal.role!r}")
        cursor = connection.connection.cursor()
        try:
            if read_only:
                cursor.execute(READ_ONLY)
            cursor.execute(IDENTIFY, (principal.role, principal.claims))
        finally:
            cursor.close()

    return engine
