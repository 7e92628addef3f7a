"""Tools for the learner's own goals, of whatever space."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.goals.schemas import Category, Status
from assistant.goals.service import open_goal
from assistant.goals.service import update_goal as change_goal
from assistant.mentor.context import MentorContext, Scene
from assistant.mentor.policies import LISTED
from assistant.mentor.repository import next_goals
from assistant.mentor.toolbox.arguments import (
    Day,
    Description,
    GoalId,
    NewTitle,
    changed,
    created,
    read_changes,
    read_id,
    read_values,
    short,
    values_of,
)
from assistant.mentor.toolspec import Arguments, Effect, ReadTool, ToolOutcome, ToolRefusal, WriteTool, outcome

GoalCategory = Annotated[Category, Meta(description="One word or two, such as `language`.")]
Importance = Annotated[int, Meta(ge=0, le=1000, description="The higher, the more important; 0 where nothing is said.")]


class ListGoals(Arguments, frozen=True):
    status: Annotated[Status, Meta(description="Only goals of this status.")] = "active"


async def list_goals(context: MentorContext, arguments: ListGoals) -> ToolOutcome:
    async with context.database.transaction(context.principal) as connection:
        goals = await next_goals(connection, context.principal.user_id, arguments.status, LISTED)
    return outcome("done", goals=[_goal_facts(context, goal) for goal in goals], total=goals[0].total if goals else 0)


class CreateGoal(Arguments, frozen=True):
    title: Annotated[NewTitle, Meta(description="What the learner wants to reach, in a few words.")]
    description: Description | UnsetType = UNSET
    category: GoalCategory | UnsetType = UNSET
    priority: Importance = 0
    due_date: (
        Annotated[Day, Meta(description="ISO 8601 date, or date and time. Only if the learner named one.")] | UnsetType
    ) = UNSET


async def create_goal(session: AsyncSession, scene: Scene, arguments: CreateGoal) -> Effect:
    learner = scene.principal.user_id
    if learner is None:
        raise ToolRefusal("Only somebody who is signed in has goals.")
    values = read_values(arguments, ("title", "description", "category", "priority", "due_date"))
    goal = await open_goal(session, learner, values)
    return created("goals", goal, _CHANGEABLE, goal.title, {"goal": _goal_facts(scene, goal)})


class UpdateGoal(Arguments, frozen=True):
    goal_id: GoalId
    title: NewTitle | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    category: GoalCategory | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    priority: Importance | UnsetType = UNSET
    due_date: Day | UnsetType = UNSET
    clear: (
        Annotated[
            list[Literal["description", "category", "due_date"]],
            Meta(max_length=3, description="Fields that are to be empty from now on."),
        ]
        | UnsetType
    ) = UNSET


_CHANGEABLE: Final = ("title", "description", "category", "status", "priority", "due_date")


async def update_goal(session: AsyncSession, scene: Scene, arguments: UpdateGoal) -> Effect:
    goal_id = read_id(arguments.goal_id, "goal_id", "list_goals")
    changes = read_changes(arguments, _CHANGEABLE, arguments.clear)
    goal = await change_goal(session, goal_id, {})  # locked: nobody changes it in between
    before, title = values_of(goal, changes), goal.title
    goal = await change_goal(session, goal_id, changes)
    return changed("goals", goal, before, title, {"goal": _goal_facts(scene, goal)})


def _goal_facts(scene: Scene, goal: Any) -> dict[str, Any]:
    """A goal, or a row with its columns, as a model sees it."""
    return {
        "id": goal.id,
        "title": short(scene, goal.title),
        "category": goal.category and short(scene, goal.category),
        "status": goal.status,
        "priority": goal.priority,
        "due_date": goal.due_date,
        "overdue": goal.due_date is not None and goal.status == "active" and goal.due_date < scene.now,
    }


LIST_GOALS: Final = ReadTool(
    "list_goals",
    "List the learner's own goals, the next due first, with their ids.",
    ListGoals,
    list_goals,
)

CREATE_GOAL: Final = WriteTool(
    "create_goal",
    "Set a new goal for the learner. Only when the learner asks for it. A goal is what they want to reach; a single"
    " thing to do is a task.",
    CreateGoal,
    create_goal,
)

UPDATE_GOAL: Final = WriteTool(
    "update_goal",
    "Change a goal of the learner: its title, description, category, status, priority or due date. Only when the"
    " learner asks for it; fields that are left out stay as they are.",
    UpdateGoal,
    update_goal,
    target="goal_id",
)
