"""The rules for people: signing up, signing in, their own settings."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts import repository
from assistant.accounts.models import Subscription, User, UserPreferences
from assistant.accounts.passwords import Passwords
from assistant.accounts.preferences import PATH, check_notification_settings
from assistant.db.errors import DuplicateError
from assistant.db.session import Database
from assistant.errors import ConflictError, NotFoundError, UnauthorizedError
from assistant.ratelimit import TokenBuckets

Tier = str


class AccountService:
    """Local accounts: for installations without an identity provider."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._exports = TokenBuckets(burst=3, interval=600.0)

    async def sign_up(
        self, email: str, password: str | None, *, full_name: str | None = None, tier: str | None = None
    ) -> UUID:
        """A new user, identity, account and all, or nothing of it. Raises ConflictError where the address is taken.

        Without a password nobody can sign in with one; tokens from elsewhere work.
        """
        user_id = uuid4()
        password_hash = None if password is None else await self._passwords.hash(password)
        try:
            async with self._database.service("accounts") as connection:
                await repository.insert_identity(connection, user_id, normalise(email))
                await repository.insert_user(connection, user_id, normalise(email), full_name)
                if password_hash is not None:
                    await repository.insert_local_account(connection, user_id, password_hash)
                if tier is not None:
                    await repository.insert_subscription(connection, user_id, tier)
        except DuplicateError as exc:
            raise ConflictError("There is an account with this e-mail address already.", code="email_taken") from exc
        return user_id

    async def sign_in(self, email: str, password: str) -> UUID:
        """Raises UnauthorizedError: the same, after the same time, for a wrong address and a wrong password."""
        async with self._database.service("accounts") as connection:
            found = await repository.find_credentials(connection, normalise(email))
        password_hash = None if found is None else found.password_hash
        if not await self._passwords.matches(password_hash, password) or found is None:
            raise UnauthorizedError("The e-mail address or the password is wrong.", code="wrong_credentials")
        if self._passwords.is_outdated(found.password_hash):
            renewed = await self._passwords.hash(password)
            async with self._database.service("accounts") as connection:
                await repository.replace_password_hash(connection, found.user_id, renewed)
        return found.user_id

    def admit_export(self, user_id: UUID) -> None:
        """Counts it: each reads all that somebody has. Raises TooManyRequestsError."""
        self._exports.take(str(user_id))

    async def confirm(self, user_id: UUID, password: str) -> bool | None:
        """Whether it is the person's password; None: they have none here."""
        async with self._database.service("accounts") as connection:
            password_hash = await repository.find_password_hash(connection, user_id)
        return None if password_hash is None else await self._passwords.matches(password_hash, password)


def normalise(email: str) -> str:
    """One spelling per address. Its first part may in theory tell cases apart; no provider of mail does."""
    return email.strip().lower()


async def get_me(session: AsyncSession, user_id: UUID) -> User:
    return _there(await repository.get_user(session, user_id))


async def update_me(session: AsyncSession, user_id: UUID, changes: dict[str, object]) -> User:
    return (
        _there(await repository.update_user(session, user_id, changes)) if changes else await get_me(session, user_id)
    )


async def get_preferences(session: AsyncSession, user_id: UUID) -> UserPreferences:
    """Made anew, as for a new user, where the person had deleted them."""
    return await repository.get_preferences(session, user_id) or await repository.set_preferences(session, user_id, {})


async def update_preferences(session: AsyncSession, user_id: UUID, changes: dict[str, object]) -> UserPreferences:
    """Raises InvalidError."""
    if PATH in changes:
        check_notification_settings(changes[PATH])
    return (
        await repository.set_preferences(session, user_id, changes)
        if changes
        else await get_preferences(session, user_id)
    )


async def current_subscription(session: AsyncSession, user_id: UUID) -> Subscription | None:
    return await repository.current_subscription(session, user_id, datetime.now(UTC))


def _there(user: User | None) -> User:
    if user is None:
        raise NotFoundError("There is no such user.")
    return user
