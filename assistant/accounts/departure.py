"""Somebody leaves, and all that is stored of them goes.

What belongs to others stays: what they wrote into spaces of others (documents, tasks and modules are the space's), and
what backups hold. Where an identity provider owns `auth`, nothing there is touched: the identity stays, and begins with
nothing when it signs in again.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.accounts.repository import has_auth_stand_in
from assistant.db.session import Database
from assistant.errors import UnavailableError

TRIES: Final = 4

# A space at a time: each may hold a hundred thousand chunks, and a transaction has a minute.
_SPACES: Final = "select id from public.spaces where user_id = %s"
_DELETE_SPACE: Final = text("delete from public.spaces where id = :space")
_DELETE_JOBS: Final = text("delete from jobs.procrastinate_jobs where args ->> 'space_id' = :space and status = 'todo'")

_NOTE: Final = text("""
insert into assistant.departures (person) values (:person)
on conflict (person) do update set left_at = now()
""")
_DELETE_INVITATIONS: Final = text("""
delete from assistant.invitations i using public.users u where u.id = :person and i.email = lower(u.email)
""")
_DELETE_POSTS: Final = text("delete from public.blog_posts where author_id = :person")
_DELETE_IDENTITY: Final = text("delete from auth.users where id = :person")
_DELETE_USER: Final = text("delete from public.users where id = :person")

LEFT_SINCE: Final = """
select 1 from assistant.departures where person = %s and left_at >= date_trunc('second', %s::timestamptz)
"""
"""Whether somebody left after a token of theirs was issued; tokens count in whole seconds."""


def hash_person(user_id: UUID) -> bytes:
    """How somebody is known who is gone."""
    return hashlib.sha256(user_id.bytes).digest()


async def delete_person(database: Database, user_id: UUID) -> bool:
    """False: there is no such person. Interrupted, it is done again from where it was.

    What other tables have of them goes by foreign keys, also what a retired month has.
    """
    for (space_id,) in await database.fetch_as_service("accounts", _SPACES, (user_id,)):
        await _patiently(database, partial(_delete_space, space_id))
    is_gone = await _patiently(database, partial(_delete_person, user_id))
    # The summaries are a copy, which would keep the titles until the next change of anything.
    with suppress(UnavailableError):
        async with database.service("maintain") as connection:
            await connection.execute(text("select assistant.refresh_space_summaries()"))
    return is_gone


async def _delete_space(space_id: UUID, connection: AsyncConnection) -> bool:
    await connection.execute(_DELETE_JOBS, {"space": str(space_id)})
    return (await connection.execute(_DELETE_SPACE, {"space": space_id})).rowcount > 0


async def _delete_person(user_id: UUID, connection: AsyncConnection) -> bool:
    person = {"person": user_id}
    await connection.execute(_NOTE, {"person": hash_person(user_id)})
    await connection.execute(_DELETE_INVITATIONS, person)
    await connection.execute(_DELETE_POSTS, person)
    is_ours = await has_auth_stand_in(connection)
    return (await connection.execute(_DELETE_IDENTITY if is_ours else _DELETE_USER, person)).rowcount > 0


async def _patiently(database: Database, step: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
    """One transaction. Others write into the same spaces meanwhile, or leave as well: whoever is in the way is waited
    for, and two who wait for each other are told apart by trying again.
    """
    for attempt in range(1, TRIES + 1):
        try:
            async with database.service("accounts") as connection:
                await connection.execute(text("select set_config('lock_timeout', '10s', true)"))
                return await step(connection)
        except UnavailableError:
            if attempt == TRIES:
                raise
    raise AssertionError("the last try returns or raises")
