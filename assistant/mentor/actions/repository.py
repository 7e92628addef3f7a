"""Statements about actions, as the person whose they are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.mentor.actions.models import Action, ActionStatus, Reason
from assistant.mentor.toolspec import Effect

COLUMNS: Final[tuple[LiteralString, ...]] = (
    "a.id",
    "a.space_id",
    "r.thread_id",
    "a.run_id",
    "r.client_run_id",
    "a.call_id",
    "a.tool",
    "a.arguments",
    "a.proposed_arguments is not null",
    "a.reason",
    "assistant.action_status(a)",
    "a.effect",
    "a.result",
    "a.created_at",
    "a.expires_at",
    "a.answered_at",
    "a.executed_at",
    "a.undone_at",
)
"""Those of an Action, in its order."""

SOURCE: Final[LiteralString] = "assistant.mentor_actions a join assistant.runs r on r.id = a.run_id"

_FIND: Final[LiteralString] = f"select {', '.join(COLUMNS)} from {SOURCE} where a.user_id = (select auth.uid())"  # noqa: S608 - texts of ours
_IN_TURN: Final[LiteralString] = " order by a.created_at, a.id"


async def find(database: Database, principal: Principal, action_ids: Sequence[UUID]) -> list[Action]:
    """Those that are the caller's, in the order in which they were proposed."""
    rows = await database.fetch(principal, f"{_FIND} and a.id = any(%s){_IN_TURN}", (list(action_ids),))
    return [Action(*row) for row in rows]


async def of_run(database: Database, principal: Principal, run_id: UUID) -> list[Action]:
    """All actions of one run of the caller, in the order in which they were proposed."""
    rows = await database.fetch(principal, f"{_FIND} and a.run_id = %s{_IN_TURN}", (run_id,))
    return [Action(*row) for row in rows]


async def of_call(database: Database, principal: Principal, run_id: UUID, call_id: str) -> Action | None:
    rows = await database.fetch(principal, f"{_FIND} and a.run_id = %s and a.call_id = %s", (run_id, call_id))
    return Action(*rows[0]) if rows else None


_LAST: Final[LiteralString] = """
 and a.space_id = %s and r.thread_id = %s and a.status = 'executed' order by a.executed_at desc, a.id desc limit 1"""


async def last_executed(database: Database, principal: Principal, space_id: UUID, thread_id: str) -> Action | None:
    """Of the caller's thread."""
    rows = await database.fetch(principal, f"{_FIND}{_LAST}", (space_id, thread_id))
    return Action(*rows[0]) if rows else None


# The clock of the transaction that proposes is also that of its expiry.
_INSERT: Final = text("""
    insert into assistant.mentor_actions
        (id, user_id, space_id, run_id, call_id, tool, arguments, reason, status, effect, result, expires_at,
         executed_at)
    values (:id, auth.uid(), :space_id, :run_id, :call_id, :tool, cast(:arguments as jsonb), :reason, :status,
            cast(:effect as jsonb), cast(:result as jsonb), now() + :lifetime,
            case when :status = 'executed' then now() end)
""")


async def insert(
    session: AsyncSession,
    *,
    action_id: UUID,
    space_id: UUID,
    run_id: UUID,
    call_id: str,
    tool: str,
    arguments: dict[str, Any],
    reason: Reason | None,
    effect: Effect,
    result: dict[str, Any] | None,
    lifetime: timedelta,
) -> None:
    """Proposed where there is a `reason` to ask, else executed. Raises DuplicateError: the call has its action."""
    values = {
        "id": action_id,
        "space_id": space_id,
        "run_id": run_id,
        "call_id": call_id,
        "tool": tool,
        "arguments": _json(arguments),
        "reason": reason,
        "status": "executed" if reason is None else "proposed",
        "effect": _json(stored_effect(effect)),
        "result": None if result is None else _json(result),
        "lifetime": lifetime,
    }
    await session.execute(_INSERT, values)


def stored_effect(effect: Effect) -> dict[str, Any]:
    """What undo and a screen need of it."""
    kept = {"kind", "table", "row_id", "title", "fields"}
    return {name: value for name, value in msgspec.to_builtins(effect).items() if name in kept}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_HOLD: Final = text("select status from assistant.mentor_actions where id = :id and user_id = auth.uid() for update")


async def hold(session: AsyncSession, action_id: UUID) -> ActionStatus | None:
    """The action's status, which nobody changes until the transaction ends; None: there is no such action."""
    status: ActionStatus | None = await session.scalar(_HOLD, {"id": action_id})
    return status


_EXECUTED: Final = text("""
    update assistant.mentor_actions
    set status = 'executed', effect = cast(:effect as jsonb), result = cast(:result as jsonb), executed_at = now()
    where id = :id
""")


async def note_executed(session: AsyncSession, action_id: UUID, effect: Effect, result: dict[str, Any]) -> None:
    values = {"id": action_id, "effect": _json(stored_effect(effect)), "result": _json(result)}
    await session.execute(_EXECUTED, values)


_UNDONE: Final = text("update assistant.mentor_actions set status = 'undone', undone_at = now() where id = :id")


async def note_undone(session: AsyncSession, action_id: UUID) -> None:
    await session.execute(_UNDONE, {"id": action_id})


_FAILED: Final = """
update assistant.mentor_actions set status = 'failed', result = %s::jsonb
where id = %s and user_id = (select auth.uid()) and status = 'approved'
"""


async def note_failed(database: Database, principal: Principal, action_id: UUID, result: dict[str, Any]) -> None:
    await database.fetch(principal, _FAILED, (_json(result), action_id))


_ANSWER: Final = """
update assistant.mentor_actions a
set status = %(status)s, answered_by = %(channel)s, answered_at = clock_timestamp(),
    arguments = coalesce(%(arguments)s::jsonb, a.arguments),
    proposed_arguments = case when %(arguments)s::jsonb is not null then a.arguments end
where a.id = %(id)s and a.user_id = (select auth.uid()) and a.status = 'proposed' and a.expires_at > clock_timestamp()
"""


async def answer(
    database: Database,
    principal: Principal,
    action_id: UUID,
    *,
    approved: bool,
    arguments: dict[str, Any] | None,
    channel: str,
) -> None:
    """Settle a proposal; one that is settled, or has expired, stays as it is."""
    values = {
        "id": action_id,
        "status": "approved" if approved else "rejected",
        "arguments": None if arguments is None else _json(arguments),
        "channel": channel,
    }
    await database.fetch(principal, _ANSWER, values)


_EXPIRE: Final = """
update assistant.mentor_actions set status = 'expired' where id = any (array(
    select id from assistant.mentor_actions where status = 'proposed' and expires_at <= now() limit 500
    for update skip locked))
"""


# Whoever answers the last proposal of a run ends it, unless the run was only just then about to wait.
_CLOSE_WAITING: Final = """
update assistant.runs r set status = 'completed', finished_at = now()
where r.status = 'awaiting_approval' and not exists (
    select from assistant.mentor_actions a where a.run_id = coalesce(r.resumes, r.id) and a.status = 'proposed')
"""


async def expire(database: Database) -> None:
    """Say of proposals that nobody answered that they have expired, and of runs that nothing of them waits any more."""
    await database.fetch_as_service("sweep", _EXPIRE)
    await database.fetch_as_service("sweep", _CLOSE_WAITING)


_LEFT: Final = """
select id, user_id from assistant.mentor_actions
where status = 'approved' and answered_at < now() - %s order by answered_at limit 100
"""


_GIVE_UP: Final = """
update assistant.mentor_actions set status = 'failed', result = %s::jsonb where id = %s and status = 'approved'
"""


async def give_up(database: Database, action_id: UUID, result: dict[str, Any]) -> None:
    """Note that what was approved is not done: its person cannot see it any more."""
    await database.fetch_as_service("sweep", _GIVE_UP, (_json(result), action_id))


async def left_behind(database: Database, older_than: timedelta) -> list[tuple[UUID, UUID]]:
    """Approved a while ago, and not done: whoever was to do it is gone. Ids of actions and of their people."""
    return [(action, user) for action, user in await database.fetch_as_service("sweep", _LEFT, (older_than,))]
