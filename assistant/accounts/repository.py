"""Statements about people. The first ones run as the service's job `accounts`, the others as the person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from assistant.accounts.models import LocalAccount, Subscription, User, UserPreferences, auth_users


@dataclass(frozen=True, slots=True)
class Credentials:
    user_id: UUID
    password_hash: str


async def has_auth_stand_in(connection: AsyncConnection) -> bool:
    """Whether `auth` is the one that our revision made: only there people are written to it."""
    comment: str | None = await connection.scalar(
        text("select obj_description(to_regnamespace('auth'), 'pg_namespace')")
    )
    return comment == "stand-in of goalspace-assistant"


FIND_USER: Final = "select 1 from public.users where id = %(user)s"
"""A row if there is such a user."""

# A row that somebody else is changing is left for the next time: nobody is to wait here, and two of these never meet.
RECORD_VISITS: Final = """
    update public.users set last_active_at = now()
    where id in (select id from public.users
                 where id = any (%(users)s)
                   and (last_active_at is null or last_active_at < now() - make_interval(secs => %(seconds)s))
                 for no key update skip locked)
"""


async def insert_identity(connection: AsyncConnection, user_id: UUID, email: str) -> None:
    """The stand-in's row; one that is there stays."""
    statement = upsert(auth_users).values(id=user_id, email=email)
    await connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


async def insert_user(connection: AsyncConnection, user_id: UUID, email: str, full_name: str | None = None) -> None:
    """A user's row; one that is there stays. Raises DuplicateError, UnknownReferenceError (no such identity)."""
    statement = upsert(User).values(id=user_id, email=email, full_name=full_name)
    await connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


async def insert_local_account(connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
    await connection.execute(insert(LocalAccount).values(user_id=user_id, password_hash=password_hash))


async def insert_subscription(connection: AsyncConnection, user_id: UUID, tier: str) -> None:
    """An active one from now on, without an end."""
    await connection.execute(
        insert(Subscription).values(user_id=user_id, tier=tier, status="active", starts_at=func.now())
    )


async def find_user_id(connection: AsyncConnection, email: str) -> UUID | None:
    return await connection.scalar(select(User.id).where(func.lower(User.email) == email))


async def find_password_hash(connection: AsyncConnection, user_id: UUID) -> str | None:
    """None: they have no password here."""
    return await connection.scalar(select(LocalAccount.password_hash).where(LocalAccount.user_id == user_id))


async def find_credentials(connection: AsyncConnection, email: str) -> Credentials | None:
    statement = (
        select(LocalAccount.user_id, LocalAccount.password_hash)
        .join(User, User.id == LocalAccount.user_id)
        .where(func.lower(User.email) == email)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Credentials(*row)


async def replace_password_hash(connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
    await connection.execute(
        update(LocalAccount).where(LocalAccount.user_id == user_id).values(password_hash=password_hash)
    )


async def get_user(session: AsyncSession, user_id: UUID) -> User | None:
    return await session.get(User, user_id)


async def update_user(session: AsyncSession, user_id: UUID, changes: dict[str, object]) -> User | None:
    statement = update(User).where(User.id == user_id).values(**changes).returning(User)
    return await session.scalar(statement)


async def get_preferences(session: AsyncSession, user_id: UUID) -> UserPreferences | None:
    return await session.get(UserPreferences, user_id)


async def set_preferences(session: AsyncSession, user_id: UUID, changes: dict[str, object]) -> UserPreferences:
    """Changed, or made where the person had deleted them."""
    statement = upsert(UserPreferences).values(user_id=user_id, **changes)
    kept = {"theme": UserPreferences.theme}
    statement = statement.on_conflict_do_update(index_elements=["user_id"], set_=changes or kept)
    return (await session.scalars(statement.returning(UserPreferences))).one()


async def current_subscription(session: AsyncSession, user_id: UUID, now: datetime) -> Subscription | None:
    """The one that counts now."""
    statement = select(Subscription).where(
        Subscription.user_id == user_id,
        Subscription.status == "active",
        Subscription.starts_at <= now,
        or_(Subscription.ends_at.is_(None), Subscription.ends_at > now),
    )
    return await session.scalar(statement)
