"""What a message says, read when it is sent: as the person it is for, or as the service where there is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.notices.outbox import WaitingNotice
from assistant.sharing.links import InvitationLinks

MAX_TASKS: Final = 20
"""Of a digest; the others are counted."""


MAX_CHARACTERS: Final = 100
"""Of a name or a title."""

_ADDRESSES: Final = re.compile(r"(?i)(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)\S*")


@dataclass(frozen=True, slots=True)
class Invitation:
    """`link` leads into the space for an invitation by address; without it, it waits for who is signed in."""

    recipient: str
    language: str | None
    space: str
    role: str
    invited_by: str | None
    link: str | None
    expires_on: str | None


@dataclass(frozen=True, slots=True)
class DueTask:
    """`due` is on the person's own clock."""

    title: str
    space: str
    due: str
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class Digest:
    recipient: str
    language: str | None
    user_id: UUID
    name: str | None
    tasks: Sequence[DueTask]
    total: int
    """Of which `tasks` are the first."""


Letter = Invitation | Digest

_WANTED: Final = """(
    w.notification_settings -> 'email' is distinct from 'false'
    and w.notification_settings -> 'invitations' is distinct from 'false')"""

# An address that nobody here has, has no wishes either; its language is that of who invites.
_BY_ADDRESS: Final = f"""
select i.email, coalesce(w.language, inviter.language), s.title, i.role, u.full_name,
       to_char(i.expires_at at time zone 'UTC', 'YYYY-MM-DD')
from assistant.invitations i
join public.spaces s on s.id = i.space_id
join public.users u on u.id = i.invited_by
left join public.user_preferences inviter on inviter.user_id = i.invited_by
left join public.user_preferences w on w.user_id = i.for_account
where i.id = %s and i.expires_at > now() and {_WANTED}
"""  # noqa: S608 - our own words

_BY_ACCOUNT: Final = f"""
select a.email, w.language, s.title, c.role, u.full_name
from public.space_collaborators c
join public.spaces s on s.id = c.space_id
join public.users u on u.id = s.user_id
join public.users a on a.id = c.user_id
left join public.user_preferences w on w.user_id = c.user_id
where c.id = %s and c.accepted_at is null and {_WANTED}
"""  # noqa: S608 - our own words

# As the person: their own and the spaces that they joined, but not what is public besides.
_DUE_TASKS: Final = """
select t.title, s.title, t.due_date < now(), count(*) over (),
       to_char(assistant.local_time(w.notification_settings, t.due_date), 'YYYY-MM-DD HH24:MI')
from public.user_preferences w
cross join public.tasks t
join public.spaces s on s.id = t.space_id
where w.user_id = (select auth.uid())
  and w.notification_settings -> 'email' is distinct from 'false'
  and w.notification_settings -> 'due_tasks' is distinct from 'false'
  and t.status <> 'completed' and t.due_date >= now() - interval '7 days' and t.due_date < now() + interval '1 day'
  and (s.user_id = (select auth.uid())
       or s.id in (select c.space_id from public.space_collaborators c
                   where c.user_id = (select auth.uid()) and c.accepted_at is not null))
order by t.due_date, t.id limit %s
"""

_WHO: Final = """
select u.email, w.language, u.full_name from public.users u
join public.user_preferences w on w.user_id = u.id where u.id = (select auth.uid())
"""


async def read_letter(database: Database, links: InvitationLinks, notice: WaitingNotice) -> Letter | None:
    """None: there is nothing to say any more, or they do not want to hear it."""
    if notice.invitation_id is not None:
        rows = await database.fetch_as_service("send_notices", _BY_ADDRESS, (notice.invitation_id,))
        return _invitation(rows, links.address(notice.invitation_id))
    if notice.collaborator_id is not None:
        return _invitation(await database.fetch_as_service("send_notices", _BY_ACCOUNT, (notice.collaborator_id,)))
    return None if notice.user_id is None else await _digest(database, notice.user_id)


def _invitation(rows: Sequence[tuple[Any, ...]], link: str | None = None) -> Invitation | None:
    if not rows:
        return None
    recipient, language, space, role, invited_by, *expiry = rows[0]
    who = short(invited_by) if invited_by else None
    return Invitation(recipient, language, short(space), role, who, link, expiry[0] if expiry else None)


async def _digest(database: Database, user_id: UUID) -> Digest | None:
    who, rows = await database.fetch_each(learner(user_id), (_WHO, ()), (_DUE_TASKS, (MAX_TASKS,)))
    if not (who and rows):
        return None
    recipient, language, name = who[0]
    tasks = [DueTask(short(title), short(space), due, is_overdue) for title, space, is_overdue, _, due in rows]
    return Digest(recipient, language, user_id, name and short(name), tasks, total=rows[0][3])


def short(text: str) -> str:
    """What somebody wrote, on one line and without addresses: a message of ours is not to carry theirs."""
    line = _ADDRESSES.sub("…", " ".join(text.split()))
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 1]}…"
