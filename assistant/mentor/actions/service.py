"""The rules for actions: propose, do at once, approve, do what was approved, undo. All of it as the learner."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import structlog

from assistant.db.errors import DuplicateError
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.errors import AssistantError, ConflictError, InvalidError, NotFoundError, UnavailableError
from assistant.mentor.actions import repository
from assistant.mentor.actions.models import Action, ActionStatus, Reason
from assistant.mentor.actions.undo import undo_effect
from assistant.mentor.context import Scene
from assistant.mentor.delimiting import new_marker
from assistant.mentor.state import load_learner_state
from assistant.mentor.toolbox import WRITE_TOOLS
from assistant.mentor.toolspec import (
    Arguments,
    Effect,
    ToolOutcome,
    ToolRefusal,
    WriteTool,
    outcome,
    read_arguments,
)
from assistant.spaces.mentor_config import MentorConfig

log = structlog.get_logger(__name__)

LIFETIME: Final = timedelta(days=7)
"""A proposal can be answered for so long. Later its reason is forgotten, and the plan has moved on."""

LEFT_BEHIND: Final = timedelta(seconds=10)
"""After which what was approved and not done is done by another process: twice what one statement may take."""

REJECTED: Final = outcome(
    "not_done",
    code="rejected",
    message="The learner said no. Nothing was changed. Do not propose it again unless they ask for it.",
)
EXPIRED: Final = outcome("not_done", code="expired", message="The learner did not answer in time. Nothing was changed.")
OUT_OF_REACH: Final = outcome(
    "failed", code="not_found", message="The space was out of the learner's reach by then. Nothing was changed."
)
WAITING: Final = outcome(
    "not_done",
    code="awaiting_approval",
    message="This is proposed and NOT done: the learner has not approved it yet. Nothing was changed so far.",
)


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A model's call of a tool that writes."""

    run_id: UUID
    call_id: str
    tool: WriteTool
    arguments: Arguments


async def propose(database: Database, scene: Scene, call: WriteCall, reason: Reason) -> Action:
    """Try the change and take it back, so that what cannot be done is not asked for; store what it would be.

    Raises what the tool raises: then nothing is proposed.
    """
    action_id = uuid4()
    async with database.session(scene.principal) as session:
        trial = await session.begin_nested()
        effect = await call.tool.apply(session, scene, call.arguments)
        await trial.rollback()
        session.expunge_all()
        await repository.insert(session, **_row(action_id, scene, call, effect, reason), result=None)
    [action] = await repository.find(database, scene.principal, [action_id])
    return action


async def perform(database: Database, scene: Scene, call: WriteCall) -> ToolOutcome:
    """Make the change at once, and store that it was made: both or neither, and once for each call.

    Raises what the tool raises, and UnavailableError where nothing was changed.
    """
    try:
        async with database.session(scene.principal) as session:
            effect = await call.tool.apply(session, scene, call.arguments)
            done = effect.outcome()
            await repository.insert(session, **_row(uuid4(), scene, call, effect, None), result=done.data)
            return done
    except (UnavailableError, DuplicateError):
        # The answer to the commit may be what was lost: whether it was made stands in the database.
        stored = await repository.of_call(database, scene.principal, call.run_id, call.call_id)
        if stored is None:
            raise
        return told(stored)


def _row(action_id: UUID, scene: Scene, call: WriteCall, effect: Effect, reason: Reason | None) -> dict[str, Any]:
    return {
        "action_id": action_id,
        "space_id": scene.space_id,
        "run_id": call.run_id,
        "call_id": call.call_id,
        "tool": call.tool.name,
        "arguments": msgspec.to_builtins(call.arguments),
        "reason": reason,
        "effect": effect,
        "lifetime": LIFETIME,
    }


def told(action: Action) -> ToolOutcome:
    """What a model and a screen are told of it; made from what is stored."""
    return tell_model(action.status, action.result)


def tell_model(status: ActionStatus, result: dict[str, Any] | None) -> ToolOutcome:
    match status:
        case "rejected":
            return REJECTED
        case "expired":
            return EXPIRED
        case "proposed" | "approved":
            return WAITING
        case _:
            data = result or {}
            return ToolOutcome(msgspec.json.encode(data).decode(), data, is_error=data.get("status") == "failed")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the learner said to a proposal."""

    action_id: UUID
    approved: bool
    arguments: dict[str, Any] | None = None
    """As they edited them; None: as proposed."""


class Actions:
    """Answers to proposals, wherever they come from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, principal: Principal, action_id: UUID) -> Action:
        """Raises NotFoundError."""
        found = await repository.find(self._database, principal, [action_id])
        if not found:
            raise NotFoundError("There is no such action.")
        return found[0]

    async def of_run(self, principal: Principal, run_id: UUID) -> list[Action]:
        return await repository.of_run(self._database, principal, run_id)

    async def read_answers(self, principal: Principal, answers: list[Answer]) -> list[Answer]:
        """The same with their arguments checked, those of settled actions left out.

        Raises NotFoundError (`unknown_interrupt`), InvalidError with the path of an argument.
        """
        actions = {each.id: each for each in await self._all(principal, [each.action_id for each in answers])}
        if missing := [each for each in answers if each.action_id not in actions]:
            raise NotFoundError(f"Nothing waits for the answer {missing[0].action_id}.", code="unknown_interrupt")
        return [_checked(actions[each.action_id], each) for each in answers]

    async def _all(self, principal: Principal, action_ids: list[UUID]) -> list[Action]:
        return await repository.find(self._database, principal, action_ids)

    async def answer(self, principal: Principal, answer: Answer, channel: str) -> Action:
        """Settle a proposal, and do what was approved. One that is settled stays as it is, and is returned so.

        Raises NotFoundError, InvalidError.
        """
        checked = _checked(await self.find(principal, answer.action_id), answer)
        await repository.answer(
            self._database,
            principal,
            checked.action_id,
            approved=checked.approved,
            arguments=checked.arguments,
            channel=channel,
        )
        return await self.carry_out(principal, checked.action_id)

    async def carry_out(self, principal: Principal, action_id: UUID) -> Action:
        """Do what was approved, once; anything else stays as it is. Raises NotFoundError, UnavailableError."""
        action = await self.find(principal, action_id)
        if action.status != "approved":
            return action
        try:
            await self._execute(principal, action)
        except UnavailableError:
            if (action := await self.find(principal, action_id)).status == "approved":
                raise  # and it is done later
            return action
        except ToolRefusal as refusal:
            await self._fail(principal, action, "invalid", str(refusal))
        except AssistantError as error:
            await self._fail(principal, action, error.code, error.detail)
        except Exception:
            log.exception("action_failed", action=str(action_id), tool=action.tool)
            await self._fail(
                principal, action, "internal_error", "This did not work because of a fault of this service."
            )
        return await self.find(principal, action_id)

    async def _execute(self, principal: Principal, action: Action) -> None:
        tool = WRITE_TOOLS[action.tool]
        scene = await self._scene(principal, action.space_id)
        if scene.config.tools.get(tool.name) == "off":
            raise ConflictError(f"This space's mentor may not use {tool.name} any more.", code="tool_off")
        arguments = read_arguments(tool, action.arguments)
        async with self._database.session(principal) as session:
            if await repository.hold(session, action.id) != "approved":
                return  # somebody else was faster
            effect = await tool.apply(session, scene, arguments)
            _check_unchanged(action, effect)
            await repository.note_executed(session, action.id, effect, _result(action, effect))

    async def _scene(self, principal: Principal, space_id: UUID) -> Scene:
        state = await load_learner_state(self._database, principal, space_id)
        config = MentorConfig.parse(state.mentor_config)
        return Scene(principal, space_id, config, state.can_write, new_marker(), datetime.now(UTC))

    async def _fail(self, principal: Principal, action: Action, code: str, message: str) -> None:
        failed = outcome("failed", code=code, message=message)
        await repository.note_failed(self._database, principal, action.id, failed.data)

    async def undo(self, principal: Principal, action_id: UUID) -> Action:
        """Set back what an action has changed. What was undone before stays so.

        Raises NotFoundError, ForbiddenError, and ConflictError: `not_executed`, or `undo_conflict` where something
        has changed since.
        """
        action = await self.find(principal, action_id)
        if action.status == "undone":
            return action
        if action.status != "executed":
            raise ConflictError("This was not done, so there is nothing to undo.", code="not_executed")
        async with self._database.session(principal) as session:
            if await repository.hold(session, action_id) == "executed":
                assert action.effect is not None, "what was executed has an effect"
                await undo_effect(session, action.effect)
                await repository.note_undone(session, action_id)
        return await self.find(principal, action_id)

    async def last_executed(self, principal: Principal, space_id: UUID, thread_id: str) -> Action | None:
        """What was done last in a conversation, and not undone."""
        return await repository.last_executed(self._database, principal, space_id, thread_id)

    async def sweep(self) -> None:
        """Do what was approved and left behind by a process that is gone; say what has expired."""
        await repository.expire(self._database)
        for action_id, user_id in await repository.left_behind(self._database, LEFT_BEHIND):
            log.warning("action_taken_over", action=str(action_id))
            try:
                await self.carry_out(learner(user_id), action_id)
            except NotFoundError:
                await repository.give_up(self._database, action_id, OUT_OF_REACH.data)


def _checked(action: Action, answer: Answer) -> Answer:
    """The answer with its arguments as the tool takes them. Raises InvalidError."""
    if answer.arguments is None or not answer.approved or action.status != "proposed":
        return Answer(answer.action_id, answer.approved)
    tool = WRITE_TOOLS[action.tool]
    try:
        read = msgspec.to_builtins(read_arguments(tool, answer.arguments))
    except ToolRefusal as refusal:
        raise InvalidError(str(refusal), path="arguments") from refusal
    if tool.target is not None and read[tool.target] != action.arguments[tool.target]:
        raise InvalidError(
            "An edit cannot name another row than the one that was proposed.", path=f"arguments.{tool.target}"
        )
    return Answer(answer.action_id, True, None if read == action.arguments else read)


def _check_unchanged(action: Action, effect: Effect) -> None:
    """What is changed must still be what the learner was shown. Raises ConflictError."""
    shown = (action.effect or {}).get("fields", {})
    for name, change in effect.fields.items():
        if name in shown and shown[name]["before"] != change["before"]:
            raise ConflictError(f"Its {name} was changed since this was proposed.", code="changed_since")


def _result(action: Action, effect: Effect) -> dict[str, Any]:
    """What was done; a model that proposed something else is told so."""
    return effect.outcome().data | ({"edited_by_learner": True} if action.was_edited else {})
