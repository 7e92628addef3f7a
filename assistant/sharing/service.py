"""The rules for members and for taking up invitations. Each function runs as the person whose session it is given."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import ForbiddenError, NotFoundError
from assistant.sharing import repository
from assistant.sharing.links import read_token
from assistant.spaces import service as spaces

NOUN: Final = "collaborator"

_NO_INVITATION: Final = "There is no such invitation, or it is no longer good."


async def list_collaborators(
    session: AsyncSession, space_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> Sequence[Row[Any]]:
    """Members and invitations, the oldest first. Raises NotFoundError, ForbiddenError for who is no member."""
    await _check_member(session, space_id)
    return await repository.list_collaborators(session, space_id, after=after, limit=limit)


async def list_members(
    session: AsyncSession, space_id: UUID, *, limit: int, after: UUID | None = None
) -> Sequence[Row[Any]]:
    """The owner and all who have accepted. Raises NotFoundError, ForbiddenError for who is no member."""
    await _check_member(session, space_id)
    return await repository.list_members(session, space_id, after=after, limit=limit)


async def get_collaborator(session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> Row[Any]:
    """A member or an invitation. Raises NotFoundError."""
    found = await repository.get_collaborator(session, space_id, collaborator_id)
    if found is None:
        raise NotFoundError(f"There is no such {NOUN}.")
    return found


async def change_role(session: AsyncSession, space_id: UUID, collaborator_id: UUID, role: str) -> None:
    """Raises NotFoundError, ForbiddenError: only the owner appoints and demotes admins."""
    await get_collaborator(session, space_id, collaborator_id)
    if not await repository.change_role(session, collaborator_id, role):
        await _refuse(session, space_id, collaborator_id)


async def remove_collaborator(session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> None:
    """Remove a member, withdraw an invitation, leave. Raises NotFoundError, ForbiddenError."""
    await get_collaborator(session, space_id, collaborator_id)
    if not await repository.remove(session, collaborator_id):
        await _refuse(session, space_id, collaborator_id)


async def leave(session: AsyncSession, me: UUID, space_id: UUID) -> None:
    """Leave a space, or decline to join it. Raises NotFoundError."""
    membership = await repository.own_membership(session, space_id, me)
    if membership is None or not await repository.remove(session, membership):
        raise NotFoundError("You are no collaborator of such a space.")


async def my_invitations(
    session: AsyncSession, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> Sequence[Row[Any]]:
    """What waits for the person's answer, the oldest first."""
    return await repository.my_invitations(session, after=after, limit=limit)


async def accept(session: AsyncSession, invitation_id: UUID) -> UUID:
    """The space that the person belongs to from now on. Raises NotFoundError."""
    return _joined(await repository.take_invitation(session, invitation_id))


async def accept_link(session: AsyncSession, token: str) -> UUID:
    """The same with a link, which whoever holds it may use, once. Raises NotFoundError."""
    known = read_token(token)
    return _joined(None if known is None else await repository.take_invitation_link(session, *known))


async def decline(session: AsyncSession, invitation_id: UUID) -> None:
    """Raises NotFoundError."""
    if not await repository.decline_invitation(session, invitation_id):
        raise NotFoundError(_NO_INVITATION)


async def _check_member(session: AsyncSession, space_id: UUID) -> None:
    await spaces.get_space(session, space_id)
    if not await repository.is_member(session, space_id):
        raise ForbiddenError("Who works in this space is for its members to see.")


async def _refuse(session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> None:
    """An invitation may have been taken up since it was seen."""
    await get_collaborator(session, space_id, collaborator_id)
    raise ForbiddenError(f"You may see this {NOUN}, but not change it.")


def _joined(space_id: UUID | None) -> UUID:
    if space_id is None:
        raise NotFoundError(_NO_INVITATION)
    return space_id
