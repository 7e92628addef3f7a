"""What the mentor proposed and did, over HTTP: read it, answer it, undo it."""

from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from assistant.db.identity import Principal
from assistant.http import signed_in
from assistant.mentor.actions.lists import ACTIONS
from assistant.mentor.actions.models import ActionStatus
from assistant.mentor.actions.schemas import ActionRead, Approval
from assistant.mentor.actions.service import Actions, Answer
from assistant.pagination import ORDER_DESCRIPTION, Page, Paginator

CHANNEL: Final = "api"


class ActionController(Controller):
    path = "/api/actions"
    guards = (signed_in,)
    opt = {"scope": "chat"}  # noqa: RUF012 - the framework's attribute, read when the application is built
    tags = ("actions",)

    @get("/", operation_id="ListActions")
    async def list_actions(
        self,
        paginator: NamedDependency[Paginator],
        status: FromQuery[ActionStatus | None] = None,
        space_id: FromQuery[UUID | None] = None,
        thread_id: Annotated[str | None, QueryParameter(min_length=1, max_length=200)] = None,
        run_id: Annotated[str | None, QueryParameter(min_length=1, max_length=200)] = None,
        order: Annotated[Literal["created", "-created"], QueryParameter(description=ORDER_DESCRIPTION)] = "-created",
    ) -> Page[ActionRead]:
        """What the mentor proposed to the caller, and did for them; the latest first."""
        return await paginator.read(
            ACTIONS,
            order,
            user_id=paginator.me,
            status=status,
            space_id=space_id,
            thread_id=thread_id,
            run_id=run_id,
        )

    @get("/{action_id:uuid}", operation_id="GetAction")
    async def get_action(
        self, action_id: FromPath[UUID], principal: NamedDependency[Principal], actions: NamedDependency[Actions]
    ) -> ActionRead:
        """One action of the caller."""
        return ActionRead.of(await actions.find(principal, action_id))

    @post("/{action_id:uuid}/approve", operation_id="ApproveAction", status_code=200)
    async def approve_action(
        self,
        action_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        actions: NamedDependency[Actions],
        data: JSONBody[Approval | None] = None,
    ) -> ActionRead:
        """Let it be done, with other `arguments` where they are given; it is done once, however often this is sent.

        An action that was settled before is returned as it is. One that cannot be done any more is `failed`.
        """
        answer = Answer(action_id, approved=True, arguments=data.arguments if data is not None else None)
        return ActionRead.of(await actions.answer(principal, answer, CHANNEL))

    @post("/{action_id:uuid}/reject", operation_id="RejectAction", status_code=200)
    async def reject_action(
        self, action_id: FromPath[UUID], principal: NamedDependency[Principal], actions: NamedDependency[Actions]
    ) -> ActionRead:
        """Say no. An action that was settled before is returned as it is."""
        return ActionRead.of(await actions.answer(principal, Answer(action_id, approved=False), CHANNEL))

    @post("/{action_id:uuid}/undo", operation_id="UndoAction", status_code=200)
    async def undo_action(
        self, action_id: FromPath[UUID], principal: NamedDependency[Principal], actions: NamedDependency[Actions]
    ) -> ActionRead:
        """Set back what it has changed. 409 `undo_conflict` where that was changed since, `not_executed` where
        nothing was done."""
        return ActionRead.of(await actions.undo(principal, action_id))
