"""All that a running service consists of, built once and taken down in the opposite order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from assistant.accounts.admission import UserAdmission
from assistant.accounts.passwords import Passwords
from assistant.accounts.repository import has_auth_stand_in
from assistant.accounts.service import AccountService
from assistant.db.session import Database
from assistant.db.setup import Server, open_server
from assistant.health import Readiness
from assistant.identity import Authenticator, TokenIssuer, build_issuer, build_verifier, installation_secret
from assistant.pagination import Cursors
from assistant.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are given parts of."""

    settings: Settings
    server: Server
    database: Database
    authenticator: Authenticator
    issuer: TokenIssuer | None
    accounts: AccountService
    cursors: Cursors
    readiness: Readiness


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Raises ConfigurationError where a setting or the machine does not allow it."""
    async with AsyncExitStack() as stack:
        verifier = build_verifier(settings)
        server = await stack.enter_async_context(await open_server(settings))
        database = await stack.enter_async_context(server.open())
        readiness = Readiness(server.logins.jobs_url)
        stack.push_async_callback(readiness.aclose)
        async with database.service("accounts") as connection:
            has_stand_in = await has_auth_stand_in(connection)
        admission = UserAdmission(database, takes_in_strangers=has_stand_in and settings.jwks_url is not None)
        yield Services(
            settings=settings,
            server=server,
            database=database,
            authenticator=Authenticator(verifier, admission),
            issuer=build_issuer(settings),
            accounts=AccountService(database, Passwords()),
            cursors=Cursors(installation_secret(settings)),
            readiness=readiness,
        )
