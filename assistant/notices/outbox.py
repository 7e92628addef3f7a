"""The outbox's statements, as the service: what waits, what was sent, what is due to whom today."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from assistant.db.session import Database

LEASE: Final = timedelta(minutes=5)
"""For so long a message that somebody is sending is left alone; longer than the slowest server may take."""

RETRIES: Final = (60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600)
"""Seconds after each try that failed. After the last one it is given up, some 18 hours after the first."""


@dataclass(frozen=True, slots=True)
class WaitingNotice:
    """Claimed: nobody else sends it before the lease has run out. `attempts` counts this one."""

    id: UUID
    kind: str
    user_id: UUID | None
    invitation_id: UUID | None
    collaborator_id: UUID | None
    attempts: int


_CLAIM: Final = """
with due as (
    select id from assistant.outbox
    where sent_at is null and failed_at is null and due_at <= now()
    order by due_at limit 1 for update skip locked)
update assistant.outbox o set attempts = o.attempts + 1, due_at = now() + %s
from due where o.id = due.id
returning o.id, o.kind, o.user_id, o.invitation_id, o.collaborator_id, o.attempts
"""


async def claim(database: Database) -> WaitingNotice | None:
    """The message that has waited longest; None: none is due."""
    rows = await database.fetch_as_service("send_notices", _CLAIM, (LEASE,))
    return WaitingNotice(*rows[0]) if rows else None


async def mark_sent(database: Database, notice_id: UUID) -> None:
    statement = "update assistant.outbox set sent_at = now(), error = null where id = %s"
    await database.fetch_as_service("send_notices", statement, (notice_id,))


async def put_back(database: Database, notice: WaitingNotice, fault: str, *, final: bool) -> bool:
    """For another try later, or for good. False: it was given up. `fault` holds no address and no text."""
    is_over = final or notice.attempts > len(RETRIES)
    if is_over:
        statement = "update assistant.outbox set failed_at = now(), error = left(%s, 200) where id = %s"
        await database.fetch_as_service("send_notices", statement, (fault, notice.id))
    else:
        pause = timedelta(seconds=RETRIES[notice.attempts - 1])
        statement = "update assistant.outbox set due_at = now() + %s, error = left(%s, 200) where id = %s"
        await database.fetch_as_service("send_notices", statement, (pause, fault, notice.id))
    return not is_over


async def drop(database: Database, notice_id: UUID) -> None:
    """What is no longer wanted, or no longer true."""
    await database.fetch_as_service("send_notices", "delete from assistant.outbox where id = %s", (notice_id,))


async def drop_unsendable(database: Database) -> None:
    """Where no mail is sent, nothing waits for it. The hour is for a process that is about to get its settings."""
    statement = "delete from assistant.outbox where sent_at is null and created_at < now() - interval '1 hour'"
    await database.fetch_as_service("send_notices", statement)


# From what is due to the people whose it is: most people have nothing due. In the hours after the one that they chose
# (seven by their own clock unless they say otherwise), so that a service that was down at seven catches up by noon.
_QUEUE_DIGESTS: Final = """
with due as (
    select distinct space_id from public.tasks
    where status <> 'completed' and due_date >= %(now)s - interval '7 days' and due_date < %(now)s + interval '1 day'),
people as (
    select s.user_id from due join public.spaces s on s.id = due.space_id
    union
    select c.user_id from due join public.spaces s on s.id = due.space_id
    join public.space_collaborators c on c.space_id = s.id
    where c.accepted_at is not null and s.visibility <> 'private'),
wishes as (
    select p.user_id, assistant.local_time(w.notification_settings, %(now)s) as clock,
        case when jsonb_typeof(w.notification_settings -> 'due_tasks_hour') = 'number'
             then (w.notification_settings ->> 'due_tasks_hour')::numeric else 7 end as hour
    from people p join public.user_preferences w on w.user_id = p.user_id
    where w.notification_settings -> 'email' is distinct from 'false'
      and w.notification_settings -> 'due_tasks' is distinct from 'false'),
added as (
    insert into assistant.outbox (kind, user_id, day)
    select 'due_tasks', user_id, clock::date from wishes
    where extract(hour from clock) between hour and hour + 5
    on conflict (user_id, day) where kind = 'due_tasks' do nothing
    returning 1)
select count(*) from added
"""


async def queue_digests(database: Database, now: datetime) -> int:
    """A message for each who has something due, wants to be told, and was not told today. How many."""
    rows = await database.fetch_as_service("send_notices", _QUEUE_DIGESTS, {"now": now})
    return int(rows[0][0])
