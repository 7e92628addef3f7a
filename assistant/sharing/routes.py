"""Members and invitations over HTTP."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.entity_tags import Preconditions
from assistant.errors import InvalidError
from assistant.http import signed_in, to_schema, visible
from assistant.idempotency import idempotent
from assistant.pagination import Order, Page, Paginator
from assistant.sharing import service
from assistant.sharing.inviting import Invitations, Invited
from assistant.sharing.models import Invitation, SpaceCollaborator
from assistant.sharing.schemas import (
    CollaboratorChange,
    CollaboratorCreate,
    CollaboratorRead,
    InvitationRead,
    InvitedRead,
    Joined,
    LinkUsed,
    MemberRead,
)
from assistant.spaces.models import Space
from assistant.spaces.service import SPACE, get_space

BY_INVITATION: Final[Order] = (("invited_at", datetime), ("id", UUID))
BY_MEMBER: Final[Order] = (("user_id", UUID),)

sees_space = visible(Space, "space_id", SPACE)


class CollaboratorController(Controller):
    path = "/api/spaces/{space_id:uuid}"
    guards = (signed_in,)
    tags = ("sharing",)

    @get("/members", operation_id="ListMembers")
    async def list_members(
        self,
        space_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        paginator: NamedDependency[Paginator],
    ) -> Page[MemberRead]:
        """Who belongs to the space, its owner included, with name and picture. For members."""
        after = paginator.after("members", space_id, order=BY_MEMBER)
        rows = await service.list_members(
            db_session, space_id, limit=paginator.limit + 1, after=None if after is None else after[0]
        )
        return paginator.page([to_schema(row, MemberRead) for row in rows], "members", space_id, order=BY_MEMBER)

    @get("/collaborators", operation_id="ListCollaborators")
    async def list_collaborators(
        self,
        space_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        paginator: NamedDependency[Paginator],
    ) -> Page[CollaboratorRead]:
        """Who was invited to the space, the earliest first, whether they accepted or not. For members; invitations to
        an address are shown to the owner and to admins.
        """
        after: Any = paginator.after("collaborators", space_id, order=BY_INVITATION)
        rows = await service.list_collaborators(db_session, space_id, limit=paginator.limit + 1, after=after)
        items = [to_schema(row, CollaboratorRead) for row in rows]
        return paginator.page(items, "collaborators", space_id, order=BY_INVITATION)

    @post("/collaborators", operation_id="InviteCollaborator", guards=[sees_space])
    @idempotent
    async def invite(
        self,
        request: Request[Any, Any, Any],
        space_id: FromPath[UUID],
        data: JSONBody[CollaboratorCreate],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        invitations: NamedDependency[Invitations],
    ) -> InvitedRead:
        """Invite somebody by `email` or by `user_id`. The owner invites anybody, admins invite viewers and editors.

        A private space becomes shared, since its guests would see nothing. The answer to an address is the same
        whether or not somebody has it. 409 `already_invited`, `too_many_invitations`.
        """
        if data.email is not UNSET and data.user_id is UNSET:
            invited = await invitations.invite_address(db_session, me, space_id, data.email, data.role)
            link = invitations.link_to_hand_over(invited.id, str(request.base_url))
        elif data.user_id is not UNSET and data.email is UNSET:
            invited, link = await invitations.invite_account(db_session, me, space_id, data.user_id, data.role), None
        else:
            raise InvalidError("Say whom to invite: either an email or a user_id.", path="email")
        return await _read_invited(db_session, space_id, invited, link)

    @get("/collaborators/{collaborator_id:uuid}", operation_id="GetCollaborator")
    async def get_collaborator(
        self, space_id: FromPath[UUID], collaborator_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]
    ) -> CollaboratorRead:
        """One member or invitation."""
        return await _read(db_session, space_id, collaborator_id)

    @patch("/collaborators/{collaborator_id:uuid}", operation_id="UpdateCollaborator", guards=[sees_space])
    async def update_collaborator(
        self,
        space_id: FromPath[UUID],
        collaborator_id: FromPath[UUID],
        data: JSONBody[CollaboratorChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> CollaboratorRead:
        """Change a role. For the owner and admins; only the owner appoints and demotes admins."""
        await _hold(preconditions, db_session, space_id, collaborator_id)
        if data.role is not UNSET:
            await service.change_role(db_session, space_id, collaborator_id, data.role)
        return await _read(db_session, space_id, collaborator_id)

    @delete("/collaborators/{collaborator_id:uuid}", operation_id="RemoveCollaborator")
    async def remove_collaborator(
        self,
        space_id: FromPath[UUID],
        collaborator_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Remove a member, withdraw an invitation, or leave. Access ends at once, also of what is under way."""
        await _hold(preconditions, db_session, space_id, collaborator_id)
        await service.remove_collaborator(db_session, space_id, collaborator_id)

    @delete("/collaborators/me", operation_id="LeaveSpace")
    async def leave(
        self, space_id: FromPath[UUID], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> None:
        """Leave a space that one has joined, or decline to join it."""
        await service.leave(db_session, me, space_id)


class InvitationController(Controller):
    path = "/api/invitations"
    guards = (signed_in,)
    tags = ("sharing",)

    @get("/", operation_id="ListInvitations")
    async def list_invitations(
        self, db_session: NamedDependency[AsyncSession], paginator: NamedDependency[Paginator]
    ) -> Page[InvitationRead]:
        """What the caller was invited to and has not answered, the earliest first."""
        after: Any = paginator.after("invitations", order=BY_INVITATION)
        rows = await service.my_invitations(db_session, limit=paginator.limit + 1, after=after)
        return paginator.page([to_schema(row, InvitationRead) for row in rows], "invitations", order=BY_INVITATION)

    @post("/accept", operation_id="AcceptInvitationLink", status_code=200)
    async def accept_link(self, data: JSONBody[LinkUsed], db_session: NamedDependency[AsyncSession]) -> Joined:
        """Accept with the token of a link: it is good for whoever holds it, once, for two weeks."""
        return Joined(await service.accept_link(db_session, data.token))

    @post("/{invitation_id:uuid}/accept", operation_id="AcceptInvitation", status_code=200)
    async def accept(self, invitation_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> Joined:
        """Join the space."""
        return Joined(await service.accept(db_session, invitation_id))

    @post("/{invitation_id:uuid}/decline", operation_id="DeclineInvitation", status_code=204)
    async def decline(self, invitation_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> None:
        """Do not join it; who invited can see that the invitation is gone."""
        await service.decline(db_session, invitation_id)


async def _read(session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> CollaboratorRead:
    return to_schema(await service.get_collaborator(session, space_id, collaborator_id), CollaboratorRead)


async def _read_invited(session: AsyncSession, space_id: UUID, invited: Invited, link: str | None) -> InvitedRead:
    row = await service.get_collaborator(session, space_id, invited.id)
    visibility = (await get_space(session, space_id)).visibility
    more = {"visibility": visibility, "made_shared": invited.made_shared, "link": link}
    return to_schema({**row._mapping, **more}, InvitedRead)


async def _hold(preconditions: Preconditions, session: AsyncSession, space_id: UUID, collaborator_id: UUID) -> None:
    """A row of either table: the one that it is not is not there."""
    for model in (SpaceCollaborator, Invitation):
        await preconditions.hold(
            session, model.id == collaborator_id, lambda: _read(session, space_id, collaborator_id)
        )
