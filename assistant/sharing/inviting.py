"""Inviting people to a space: somebody who is known here by id, or whoever reads the mail of an address."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts import service as people
from assistant.accounts.service import normalise
from assistant.db.errors import DuplicateError
from assistant.errors import ConflictError, InvalidError
from assistant.ratelimit import TokenBuckets
from assistant.sharing import repository
from assistant.sharing.links import InvitationLinks
from assistant.spaces import service as spaces

MAX_OPEN: Final = 200
"""Invitations of one space that nobody has answered."""

_BURST, _INTERVAL = 50, 60.0
"""Invitations of one person at once, and seconds per further one: they are mail to people who did not ask for it."""


@dataclass(frozen=True, slots=True)
class Invited:
    """`made_shared`: the space was private until now."""

    id: UUID
    made_shared: bool


class Invitations:
    """One per process. Its methods run as the person whose session they are given."""

    def __init__(self, links: InvitationLinks, *, sends_mail: bool) -> None:
        self.links = links
        self._sends_mail = sends_mail
        self._buckets = TokenBuckets(burst=_BURST, interval=_INTERVAL)

    def link_to_hand_over(self, invitation_id: UUID, seen_at: str) -> str | None:
        """For who invites to pass on, where no mail is sent. `seen_at`: where they reached the service."""
        return None if self._sends_mail else self.links.address(invitation_id, seen_at)

    async def invite_account(
        self, session: AsyncSession, me: UUID, space_id: UUID, account: UUID, role: str
    ) -> Invited:
        """Raises NotFoundError, ForbiddenError, ConflictError (also for an id that nobody has), InvalidError,
        TooManyRequestsError.
        """
        if account == me:
            raise _oneself("user_id")
        if (await spaces.get_space(session, space_id)).user_id == account:
            raise _known_already()
        made_shared = await self._prepare(session, me, space_id)
        try:
            return Invited(await repository.invite_account(session, space_id, account, role), made_shared)
        except DuplicateError as exc:
            raise _known_already() from exc

    async def invite_address(self, session: AsyncSession, me: UUID, space_id: UUID, email: str, role: str) -> Invited:
        """The same happens whether or not somebody here has the address: who invites does not learn it.

        Raises NotFoundError, ForbiddenError, ConflictError, InvalidError, TooManyRequestsError.
        """
        address = normalise(email)
        if normalise((await people.get_me(session, me)).email) == address:
            raise _oneself("email")
        await spaces.get_space(session, space_id)
        made_shared = await self._prepare(session, me, space_id)
        invitation_id = uuid4()
        try:
            await repository.invite_address(
                session,
                invitation_id,
                self.links.hash_of(invitation_id),
                space_id=space_id,
                email=address,
                role=role,
                invited_by=me,
            )
        except DuplicateError as exc:  # by the owner, to become an admin: not an admin's to replace
            raise _known_already() from exc
        return Invited(invitation_id, made_shared)

    async def _prepare(self, session: AsyncSession, me: UUID, space_id: UUID) -> bool:
        """A private space shows nothing to guests, so that inviting somebody makes it shared; whether it did."""
        self._buckets.take(str(me))
        if await repository.count_invitations(session, space_id) >= MAX_OPEN:
            raise ConflictError(
                f"{MAX_OPEN} invitations to this space are open: wait for answers, or withdraw some.",
                code="too_many_invitations",
            )
        return await repository.make_shared(session, space_id)


def _oneself(path: str) -> InvalidError:
    return InvalidError("You cannot invite yourself.", path=path)


def _known_already() -> ConflictError:
    return ConflictError("This person belongs to the space already, or is invited.", code="already_invited")
