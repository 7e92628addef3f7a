"""Statements about members, invitations and comments, as the caller: the policies decide which rows there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.errors import as_known_error
from assistant.db.rows import insert_row
from assistant.sharing.models import Invitation, SpaceCollaborator
from assistant.spaces.models import Space

# Accepted or not, by account or by address: for who manages a space it is one list.
_COLLABORATORS: Final = """
select c.id, c.space_id, c.user_id, null as email, c.role, p.full_name, p.avatar_url, c.invited_at, c.accepted_at,
       null::timestamptz as expires_at, c.created_at, c.updated_at
from public.space_collaborators c left join public.member_profiles(:space) p on p.id = c.user_id
where c.space_id = :space
union all
select i.id, i.space_id, null, i.email, i.role, null, null, i.created_at, null, i.expires_at, i.created_at, i.updated_at
from assistant.invitations i where i.space_id = :space
"""

_LIST_COLLABORATORS: Final = text(f"""
select * from ({_COLLABORATORS}) m
where cast(:after_time as timestamptz) is null or (m.invited_at, m.id) > (:after_time, cast(:after_id as uuid))
order by m.invited_at, m.id limit :limit
""")  # noqa: S608 - our own words

_GET_COLLABORATOR: Final = text(f"select * from ({_COLLABORATORS}) m where m.id = :id")  # noqa: S608 - our own words

_MEMBERS: Final = text("""
select p.id as user_id, case when s.user_id = p.id then 'owner' else c.role end as role, p.full_name, p.avatar_url
from public.member_profiles(:space) p
join public.spaces s on s.id = :space
left join public.space_collaborators c on c.space_id = s.id and c.user_id = p.id
where cast(:after as uuid) is null or p.id > :after
order by p.id limit :limit
""")

_IS_MEMBER: Final = text("select exists (select from public.member_profiles(:space))")
_MY_INVITATIONS: Final = text("""
select * from assistant.my_invitations() i
where cast(:after_time as timestamptz) is null or (i.invited_at, i.id) > (:after_time, cast(:after_id as uuid))
order by i.invited_at, i.id limit :limit
""")
_TAKE: Final = text("select assistant.take_invitation(:id)")
_TAKE_LINK: Final = text("select assistant.take_invitation_link(:id, :secret)")
_DECLINE: Final = text("select assistant.decline_invitation(:id)")


async def list_collaborators(
    session: AsyncSession, space_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    after_time, after_id = after or (None, None)
    values = {"space": space_id, "after_time": after_time, "after_id": after_id, "limit": limit}
    return (await session.execute(_LIST_COLLABORATORS, values)).all()


async def get_collaborator(session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> Row[Any] | None:
    return (await session.execute(_GET_COLLABORATOR, {"space": space_id, "id": collaborator_id})).one_or_none()


async def list_members(session: AsyncSession, space_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    return (await session.execute(_MEMBERS, {"space": space_id, "after": after, "limit": limit})).all()


async def is_member(session: AsyncSession, space_id: UUID) -> bool:
    return bool(await session.scalar(_IS_MEMBER, {"space": space_id}))


async def count_invitations(session: AsyncSession, space_id: UUID) -> int:
    """Those that nobody has answered yet, of whatever kind."""
    by_address = select(func.count()).where(Invitation.space_id == space_id).scalar_subquery()
    by_account = (
        select(func.count())
        .where(SpaceCollaborator.space_id == space_id, SpaceCollaborator.accepted_at.is_(None))
        .scalar_subquery()
    )
    return await session.scalar(select(by_address + by_account)) or 0


async def make_shared(session: AsyncSession, space_id: UUID) -> bool:
    """Whether the space was private, and its owner made it shared just now."""
    statement = update(Space).where(Space.id == space_id, Space.visibility == "private").values(visibility="shared")
    with as_known_error():
        return await session.scalar(statement.returning(Space.id)) is not None


async def invite_account(session: AsyncSession, space_id: UUID, user_id: UUID, role: str) -> UUID:
    values = {"space_id": space_id, "user_id": user_id, "role": role}
    return (await insert_row(session, SpaceCollaborator, values)).id


async def invite_address(
    session: AsyncSession,
    invitation_id: UUID,
    secret_hash: bytes,
    *,
    space_id: UUID,
    email: str,
    role: str,
    invited_by: UUID,
) -> None:
    """In place of an earlier invitation of the same address, whose link is worth nothing from then on."""
    earlier = delete(Invitation).where(Invitation.space_id == space_id, Invitation.email == email)
    values = {"id": invitation_id, "secret_hash": secret_hash, "space_id": space_id, "email": email, "role": role}
    with as_known_error():
        await session.execute(earlier)
        await session.execute(insert(Invitation).values(**values, invited_by=invited_by))


async def change_role(session: AsyncSession, collaborator_id: UUID, role: str) -> bool:
    """Of a member or an invitation. False: none that the caller may change."""
    for model in (SpaceCollaborator, Invitation):
        statement = update(model).where(model.id == collaborator_id).values(role=role).returning(model.id)
        with as_known_error():
            if await session.scalar(statement) is not None:
                return True
    return False


async def remove(session: AsyncSession, collaborator_id: UUID) -> bool:
    """A member or an invitation. False: none that the caller may remove."""
    for model in (SpaceCollaborator, Invitation):
        with as_known_error():
            if await session.scalar(delete(model).where(model.id == collaborator_id).returning(model.id)) is not None:
                return True
    return False


async def own_membership(session: AsyncSession, space_id: UUID, user_id: UUID) -> UUID | None:
    statement = select(SpaceCollaborator.id).where(
        SpaceCollaborator.space_id == space_id, SpaceCollaborator.user_id == user_id
    )
    return await session.scalar(statement)


async def my_invitations(
    session: AsyncSession, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    after_time, after_id = after or (None, None)
    values = {"after_time": after_time, "after_id": after_id, "limit": limit}
    return (await session.execute(_MY_INVITATIONS, values)).all()


async def take_invitation(session: AsyncSession, invitation_id: UUID) -> UUID | None:
    """The space; None where no invitation of this id waits for the caller."""
    space_id: UUID | None = await session.scalar(_TAKE, {"id": invitation_id})
    return space_id


async def take_invitation_link(session: AsyncSession, invitation_id: UUID, secret: bytes) -> UUID | None:
    space_id: UUID | None = await session.scalar(_TAKE_LINK, {"id": invitation_id, "secret": secret})
    return space_id


async def decline_invitation(session: AsyncSession, invitation_id: UUID) -> bool:
    return bool(await session.scalar(_DECLINE, {"id": invitation_id}))
