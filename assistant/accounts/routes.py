"""Local accounts and the caller's own settings over HTTP."""

from typing import Any, Final
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts import service
from assistant.accounts.models import User, UserPreferences
from assistant.accounts.schemas import (
    PreferencesChange,
    PreferencesRead,
    SignedIn,
    SignIn,
    SignUp,
    SubscriptionRead,
    UserChange,
    UserRead,
)
from assistant.accounts.service import AccountService, normalise
from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.entity_tags import Preconditions
from assistant.errors import NotFoundError
from assistant.http import signed_in, to_schema
from assistant.identity import TokenIssuer
from assistant.limits import Limits

TOKEN_SECONDS: Final = 3600


class AuthController(Controller):
    path = "/auth"
    tags = ("auth",)

    @post("/signup", operation_id="SignUp")
    async def sign_up(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[SignUp],
        accounts: NamedDependency[AccountService],
        issuer: NamedDependency[TokenIssuer | None],
        database: NamedDependency[Database],
        limits: NamedDependency[Limits],
    ) -> SignedIn:
        """Open a local account. 409 `email_taken`; 404 where an identity provider issues the tokens."""
        tokens = _local(issuer)
        await limits.count_attempt(request.scope, normalise(data.email))
        user_id = await accounts.sign_up(data.email, data.password, full_name=data.full_name)
        return await _welcome(database, tokens, user_id)

    @post("/token", operation_id="SignIn", status_code=200)
    async def sign_in(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[SignIn],
        accounts: NamedDependency[AccountService],
        issuer: NamedDependency[TokenIssuer | None],
        database: NamedDependency[Database],
        limits: NamedDependency[Limits],
    ) -> SignedIn:
        """A token for an hour. 401 `wrong_credentials`, whichever of the two is wrong; 429 after too many attempts."""
        tokens = _local(issuer)
        await limits.count_attempt(request.scope, normalise(data.email))
        return await _welcome(database, tokens, await accounts.sign_in(data.email, data.password))


class MeController(Controller):
    path = "/api/me"
    guards = (signed_in,)
    tags = ("me",)

    @get("/", operation_id="GetMe")
    async def get_me(self, me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]) -> UserRead:
        """The caller."""
        return await _read_me(db_session, me)

    @patch("/", operation_id="UpdateMe")
    async def update_me(
        self,
        data: JSONBody[UserChange],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> UserRead:
        """Change name or picture; the address is the identity provider's."""
        await preconditions.hold(db_session, User.id == me, lambda: _read_me(db_session, me))
        return to_schema(await service.update_me(db_session, me, data.changes()), UserRead)

    @get("/preferences", operation_id="GetPreferences")
    async def get_preferences(
        self, me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> PreferencesRead:
        """The caller's settings."""
        return await _read_preferences(db_session, me)

    @patch("/preferences", operation_id="UpdatePreferences")
    async def update_preferences(
        self,
        data: JSONBody[PreferencesChange],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> PreferencesRead:
        """Change settings; `notification_settings` is replaced as a whole.

        Of its keys the service knows `email`, `push`, `invitations` and `due_tasks` (true unless said otherwise),
        `due_tasks_hour` (0 to 23; 7) and `time_zone` (UTC); others are kept as they are.
        """
        await preconditions.hold(db_session, UserPreferences.user_id == me, lambda: _read_preferences(db_session, me))
        return to_schema(await service.update_preferences(db_session, me, data.changes()), PreferencesRead)

    @get("/subscription", operation_id="GetSubscription")
    async def get_subscription(
        self, me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> SubscriptionRead:
        """What the caller is subscribed to now; nothing means the tier `free`."""
        found = await service.current_subscription(db_session, me)
        return SubscriptionRead("free", "active") if found is None else to_schema(found, SubscriptionRead)


async def _read_me(session: AsyncSession, user_id: UUID) -> UserRead:
    return to_schema(await service.get_me(session, user_id), UserRead)


async def _read_preferences(session: AsyncSession, user_id: UUID) -> PreferencesRead:
    return to_schema(await service.get_preferences(session, user_id), PreferencesRead)


def _local(issuer: TokenIssuer | None) -> TokenIssuer:
    if issuer is None:
        raise NotFoundError(
            "This service has no accounts of its own: sign in at its identity provider.", code="local_accounts_off"
        )
    return issuer


async def _welcome(database: Database, issuer: TokenIssuer, user_id: UUID) -> SignedIn:
    async with database.session(learner(user_id)) as session:
        user = to_schema(await service.get_me(session, user_id), UserRead)
    return SignedIn(issuer.issue(user_id, user.email, TOKEN_SECONDS), TOKEN_SECONDS, user)
