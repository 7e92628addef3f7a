"""Short transactions, each as somebody: open, do, commit."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, LiteralString, Self

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from assistant.db.connection import JOB_SECONDS
from assistant.db.engine import PRINCIPAL, create_engine
from assistant.db.errors import as_known_error
from assistant.db.identity import Principal, Role, ServiceJob, acting_as, service
from assistant.db.replica import Replica
from assistant.db.roundtrip import Row
from assistant.db.statements import Statement, StatementPool

CLIENT_ROLES: Final[tuple[Role, ...]] = ("anon", "authenticated")
SERVICE_ROLES: Final[tuple[Role, ...]] = ("service_role",)


class Database:
    """The two ways in: the login that may become a client, and the one that may become the service.

    No connection is held between transactions, and none may be held while a model or an embedder works. Frequent
    statements go by `fetch`, others by `transaction`, the ORM by `session`: the same rights by each of them.
    """

    def __init__(
        self,
        login_url: str | URL,
        jobs_url: str | URL,
        *,
        pool_size: int,
        prepares: bool = True,
        replica: Replica | None = None,
    ) -> None:
        self.clients = create_engine(
            login_url, roles=CLIENT_ROLES, pool_size=pool_size, application="clients", prepares=prepares
        )
        self.services = create_engine(
            jobs_url,
            roles=SERVICE_ROLES,
            pool_size=pool_size,
            application="service",
            patience=JOB_SECONDS,
            prepares=prepares,
        )
        self._of_clients = StatementPool(
            login_url, roles=CLIENT_ROLES, size=pool_size, application="clients", prepares=prepares
        )
        self._of_service = StatementPool(
            jobs_url, roles=SERVICE_ROLES, size=pool_size, application="service", prepares=prepares
        )
        self._replica = replica

    async def __aenter__(self) -> Self:
        await self._of_clients.open()
        await self._of_service.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._of_clients.close()
        await self._of_service.close()
        await self.clients.dispose()
        await self.services.dispose()
        if self._replica is not None:
            await self._replica.aclose()

    async def fetch(
        self, principal: Principal, statement: LiteralString, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[Row]:
        """The rows of one statement as `principal`, a transaction of its own; see `assistant.db.statements`."""
        return (await self._of_clients.run(principal, ((statement, parameters),)))[0]

    async def fetch_each(self, principal: Principal, *statements: Statement) -> list[list[Row]]:
        """The rows of several statements, in one transaction."""
        return await self._of_clients.run(principal, statements)

    async def fetch_as_service(
        self, job: ServiceJob, statement: LiteralString, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[Row]:
        """The rows of one statement with the service's right, for the named job only."""
        return (await self._of_service.run(service(job), ((statement, parameters),)))[0]

    @asynccontextmanager
    async def transaction(self, principal: Principal) -> AsyncIterator[AsyncConnection]:
        """One transaction as `principal`, for hand-written statements.

        Raises the errors of `assistant.db.errors`: the database's refusals in terms of the domain.
        """
        with acting_as(principal), as_known_error():
            async with self.clients.begin() as connection:
                yield connection

    @asynccontextmanager
    async def session(self, principal: Principal) -> AsyncIterator[AsyncSession]:
        """The same with the ORM. Nothing below commits; leaving the block does.

        The transaction begins with the first statement, whichever task that comes from.
        """
        with as_known_error():
            async with _open(self.clients, principal) as session, session.begin():
                yield session

    @asynccontextmanager
    async def analytics(self, principal: Principal) -> AsyncIterator[AsyncSession]:
        """A session for figures that may be some seconds old: on the replica where one is near, else as `session`.

        The same identity and the same policies; nothing can be written.
        """
        async with AsyncExitStack() as stack:
            session = None
            if self._replica is not None:
                session = await self._replica.open(principal, self.clients, stack)
            yield session if session is not None else await stack.enter_async_context(self.session(principal))

    @asynccontextmanager
    async def service(self, job: ServiceJob) -> AsyncIterator[AsyncConnection]:
        """One transaction with the service's right, which no policy holds back: for the named job only."""
        with acting_as(service(job)), as_known_error():
            async with self.services.begin() as connection:
                yield connection

    @asynccontextmanager
    async def service_session(self, job: ServiceJob) -> AsyncIterator[AsyncSession]:
        """The same with the ORM."""
        with as_known_error():
            async with _open(self.services, service(job)) as session, session.begin():
                yield session


def _open(engine: AsyncEngine, principal: Principal) -> AsyncSession:
    return AsyncSession(engine.execution_options(**{PRINCIPAL: principal}), expire_on_commit=False)
