"""Goals over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.entity_tags import Preconditions
from assistant.goals import service
from assistant.goals.lists import GOALS
from assistant.goals.models import Goal
from assistant.goals.schemas import GoalChange, GoalCreate, GoalOrder, GoalRead, Status
from assistant.http import signed_in, to_schema, visible
from assistant.idempotency import idempotent
from assistant.pagination import NO_NUL, ORDER_DESCRIPTION, DueBefore, Page, Paginator, SearchText, read_moment


class GoalController(Controller):
    path = "/api/goals"
    guards = (signed_in,)
    tags = ("goals",)

    @get("/", operation_id="ListGoals")
    async def list_goals(
        self,
        paginator: NamedDependency[Paginator],
        status: FromQuery[Status | None] = None,
        category: Annotated[str | None, QueryParameter(min_length=1, max_length=100, pattern=NO_NUL)] = None,
        due_before: DueBefore = None,
        q: SearchText = None,
        order: Annotated[GoalOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "-created",
    ) -> Page[GoalRead]:
        """The caller's goals; unless `order` says otherwise, the newest first."""
        before = read_moment("due_before", due_before)
        return await paginator.read(
            GOALS, order, user_id=paginator.me, status=status, category=category, due_before=before, q=q
        )

    @post("/", operation_id="CreateGoal")
    @idempotent
    async def create_goal(
        self, data: JSONBody[GoalCreate], me: NamedDependency[UUID], db_session: NamedDependency[AsyncSession]
    ) -> GoalRead:
        """Open a goal. 409 `title_taken` where the caller has one of that title."""
        return to_schema(await service.open_goal(db_session, me, data.changes()), GoalRead)

    @get("/{goal_id:uuid}", operation_id="GetGoal")
    async def get_goal(self, goal_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]) -> GoalRead:
        """One goal of the caller."""
        return await _read(db_session, goal_id)

    @patch("/{goal_id:uuid}", operation_id="UpdateGoal", guards=[visible(Goal, "goal_id", service.NOUN)])
    async def update_goal(
        self,
        goal_id: FromPath[UUID],
        data: JSONBody[GoalChange],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> GoalRead:
        """Change what is sent, leave the rest."""
        await preconditions.hold(db_session, Goal.id == goal_id, lambda: _read(db_session, goal_id))
        return to_schema(await service.update_goal(db_session, goal_id, data.changes()), GoalRead)

    @delete("/{goal_id:uuid}", operation_id="DeleteGoal")
    async def delete_goal(
        self,
        goal_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a goal with its spaces and all that is in them."""
        await preconditions.hold(db_session, Goal.id == goal_id, lambda: _read(db_session, goal_id))
        await service.delete_goal(db_session, goal_id)


async def _read(session: AsyncSession, goal_id: UUID) -> GoalRead:
    return to_schema(await service.get_goal(session, goal_id), GoalRead)
