"""Letting in the bearer of a good token: does this person exist, and have we met before?"""

from collections import OrderedDict
from datetime import UTC, datetime
from time import monotonic
from typing import Final
from uuid import UUID

from assistant.accounts import repository
from assistant.accounts.departure import LEFT_SINCE, hash_person
from assistant.accounts.visits import Visits
from assistant.db.errors import DuplicateError, UnknownReferenceError
from assistant.db.session import Database
from assistant.errors import ConflictError
from assistant.identity import VerifiedToken

TRUST_SECONDS: Final = 30.0
"""For so long a person who was seen is taken to exist still; who is deleted is out after it at the latest."""

REMEMBERED: Final = 20_000


class UserAdmission:
    """One per process. Asks the database about each person at most twice a minute."""

    def __init__(self, database: Database, visits: Visits, *, takes_in_strangers: bool) -> None:
        """`takes_in_strangers`: an identity provider answers for people, and `auth` is our stand-in, not its own."""
        self._database = database
        self._visits = visits
        self._takes_in_strangers = takes_in_strangers
        self._seen: OrderedDict[UUID, float] = OrderedDict()

    async def admit(self, token: VerifiedToken) -> bool:
        """Raises ConflictError where the address belongs to somebody else here."""
        if not await self._is_known(token):
            self._seen.pop(token.user_id, None)
            return False
        self._visits.note(token.user_id)
        return True

    async def _is_known(self, token: VerifiedToken) -> bool:
        seen_at = self._seen.get(token.user_id)
        if seen_at is not None and monotonic() - seen_at < TRUST_SECONDS:
            return True
        if not await self._exists(token):
            return False
        self._seen[token.user_id] = monotonic()
        self._seen.move_to_end(token.user_id)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    async def _exists(self, token: VerifiedToken) -> bool:
        if await self._database.fetch_as_service("accounts", repository.FIND_USER, {"user": token.user_id}):
            return True
        if token.email is None or await self._has_left(token):
            return False
        return await self._take_in(token.user_id, token.email)

    async def _has_left(self, token: VerifiedToken) -> bool:
        """A token from before somebody deleted their account lets nobody in; one that does not say when, neither."""
        values = (hash_person(token.user_id), token.issued_at or datetime.fromtimestamp(0, UTC))
        return bool(await self._database.fetch_as_service("accounts", LEFT_SINCE, values))

    def forget(self, user_id: UUID) -> None:
        """Look them up the next time: they may be gone."""
        self._seen.pop(user_id, None)

    async def _take_in(self, user_id: UUID, email: str) -> bool:
        """A row for somebody whom the identity provider knows; False: it does not, or no longer."""
        try:
            async with self._database.service("accounts") as connection:
                if self._takes_in_strangers:
                    await repository.insert_identity(connection, user_id, email)
                await repository.insert_user(connection, user_id, email)
        except UnknownReferenceError:
            return False
        except DuplicateError as exc:
            raise ConflictError("Another account has this e-mail address.", code="email_taken") from exc
        return True
