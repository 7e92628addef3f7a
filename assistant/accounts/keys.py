"""Keys with which programs act as their users.

A key is `gsk_` and 32 random bytes. Its first letters are its name in lists, the rest is known to its owner alone: what
is stored is a SHA-256 of the whole, since nobody guesses 256 bits (docs/decisions).
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.models import ApiKey
from assistant.db.errors import as_known_error
from assistant.db.keyset import keyset
from assistant.db.session import Database
from assistant.errors import ConflictError, InvalidError, NotFoundError
from assistant.identity import KEY_PREFIX, KeyScope, VerifiedToken

MAX_KEYS: Final = 50
"""Of one person, those included that have expired."""

SHOWN_LETTERS: Final = len(KEY_PREFIX) + 8
KEY_LENGTH: Final = len(KEY_PREFIX) + 43

_SHOWN: Final = (
    ApiKey.id,
    ApiKey.name,
    ApiKey.prefix,
    ApiKey.scopes,
    ApiKey.expires_at,
    ApiKey.last_used_at,
    ApiKey.created_at,
)
"""All but the hash, which not even its owner may read."""

_FIND: Final = """
    with used as (
        update assistant.api_keys set last_used_at = now()
        where prefix = %(prefix)s and key_hash = %(hash)s
          and (last_used_at is null or last_used_at < now() - interval '1 minute'))
    select id, user_id, key_hash, scopes, expires_at from assistant.api_keys
    where prefix = %(prefix)s and (expires_at is null or expires_at > now())
"""
"""By the letters that are shown; the hash is compared afterwards, in constant time. When a key was last used is noted
once a minute: a row written for each request would cost more than it tells."""


_GOOD: Final = "select id from assistant.api_keys where id = any (%s) and (expires_at is null or expires_at > now())"


class ApiKeys:
    """Keys that come in with requests. Each is looked up each time: one that was deleted is worth nothing at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: str) -> VerifiedToken | None:
        if len(key) != KEY_LENGTH or not key.isascii() or "\0" in key:
            return None
        wanted = _hash(key)
        rows = await self._database.fetch_as_service("accounts", _FIND, {"prefix": key[:SHOWN_LETTERS], "hash": wanted})
        for key_id, user_id, found, scopes, expires_at in rows:
            if hmac.compare_digest(found, wanted):
                return VerifiedToken(user_id, expires_at, None, key_id, frozenset(scopes))
        return None

    async def lost(self, key_ids: Collection[UUID]) -> set[UUID]:
        """Those that were deleted or have expired."""
        statement = (
            "select id from assistant.api_keys where id = any (%s) and (expires_at is null or expires_at > now())"
        )
        rows = await self._database.fetch_as_service("accounts", statement, (list(key_ids),))
        return set(key_ids) - {row[0] for row in rows}


async def list_keys(session: AsyncSession, *, limit: int, after: Sequence[object] | None) -> Sequence[Row[Any]]:
    """The person's own, the newest first."""
    statement = keyset(select(*_SHOWN), (ApiKey.created_at, ApiKey.id), after=after, limit=limit, descending=True)
    return cast(Sequence[Row[Any]], (await session.execute(statement)).all())


async def make_key(
    session: AsyncSession, user_id: UUID, *, name: str, scopes: Collection[KeyScope], expires_at: datetime | None
) -> tuple[Row[Any], str]:
    """What is stored of it, and the key itself, which is not. Raises InvalidError, ConflictError (too many)."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidError("This moment has passed already.", path="expires_at")
    # Two at once would both count the keys that were there before.
    await session.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"keys {user_id}"})
    if cast(int, await session.scalar(select(func.count(ApiKey.id)))) >= MAX_KEYS:
        raise ConflictError(f"You have {MAX_KEYS} keys; delete one that you do not need.", code="too_many_keys")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    values = {
        "user_id": user_id,
        "name": name,
        "prefix": key[:SHOWN_LETTERS],
        "key_hash": _hash(key),
        "scopes": sorted(set(scopes)),
        "expires_at": expires_at,
    }
    with as_known_error():
        made = await session.execute(insert(ApiKey).values(**values).returning(*_SHOWN))
    return cast(Row[Any], made.one()), key


async def delete_key(session: AsyncSession, key_id: UUID) -> None:
    """From the next request on it is worth nothing. Raises NotFoundError."""
    if await session.scalar(delete(ApiKey).where(ApiKey.id == key_id).returning(ApiKey.id)) is None:
        raise NotFoundError("There is no such key.")


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
