"""What goes over the wire about members, invitations and comments."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.accounts.schemas import Email
from assistant.http import Incoming, Outgoing
from assistant.spaces.schemas import Visibility

Role = Literal["viewer", "editor", "admin"]
ResourceType = Literal["module", "document", "task"]
CommentText = Annotated[str, Meta(min_length=1, max_length=10_000, pattern=r"\S", description="Not only spaces.")]


class CollaboratorCreate(Incoming):
    """Whom to invite: an address, or somebody by the id that they have here."""

    email: Email | UnsetType = UNSET
    user_id: UUID | UnsetType = UNSET
    role: Role = "viewer"


class CollaboratorChange(Incoming):
    role: Role | UnsetType = UNSET


class CollaboratorRead(Outgoing):
    """A member once `accepted_at` is set; until then an invitation, to an account or to an address.

    Invitations to an address, whoever has it, are shown to the owner and to admins; `expires_at` is theirs. Name and
    picture are shown of members.
    """

    unversioned = ("full_name", "avatar_url")

    id: UUID
    space_id: UUID
    user_id: UUID | None
    email: str | None
    role: Role
    full_name: str | None
    avatar_url: str | None
    invited_at: datetime
    accepted_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class InvitedRead(CollaboratorRead):
    """An invitation just made. `link` is for the invited, where the service sends no mail; it is shown once."""

    shown_once = ("link",)

    visibility: Visibility
    made_shared: bool
    """The space was private, where only its owner sees anything, and is shared now."""
    link: str | None


class MemberRead(Outgoing):
    """Who belongs to a space, its owner included."""

    user_id: UUID
    role: Literal["viewer", "editor", "admin", "owner"]
    full_name: str | None
    avatar_url: str | None


class InvitationRead(Outgoing):
    """What the caller was invited to. `invited_by` is the name of who did, as far as is known, else of the owner."""

    id: UUID
    space_id: UUID
    title: str
    role: Role
    invited_by: str | None
    invited_at: datetime
    expires_at: datetime | None


class LinkUsed(Incoming):
    token: Annotated[
        str, Meta(min_length=1, max_length=200, description="What stands in the link after `invitation=`.")
    ]


class Joined(Outgoing):
    """The space that the caller belongs to now."""

    space_id: UUID


class CommentCreate(Incoming):
    content: CommentText
    parent_id: UUID | None = None


class CommentChange(Incoming):
    content: CommentText | UnsetType = UNSET


class CommentAuthor(Outgoing):
    full_name: str | None
    avatar_url: str | None


class CommentRead(Outgoing):
    """`depth` is 0 for a comment and at most 8 for a reply to a reply; `reply_count` counts direct replies.

    `author` is shown to members of the space, and null where the author is none any more.
    """

    unversioned = ("author", "reply_count")

    id: UUID
    user_id: UUID
    resource_type: ResourceType
    resource_id: UUID
    content: str
    parent_id: UUID | None
    space_id: UUID | None
    depth: int
    created_at: datetime
    updated_at: datetime
    reply_count: int
    author: CommentAuthor | None
