"""Tools for the learner's own goals, of whatever space."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from assistant.goals.schemas import Category, Status
from assistant.goals.service import get_goal, open_goal
from assistant.goals.service import update_goal as change_goal
from assistant.mentor.context import MentorContext
from assistant.mentor.policies import LISTED
from assistant.mentor.repository import next_goals
from assistant.mentor.toolbox.arguments import (
    Day,
    Description,
    GoalId,
    NewTitle,
    read_changes,
    read_id,
    read_values,
    short,
    tell_changes,
)
from assistant.mentor.toolspec import Arguments, ToolOutcome, ToolRefusal, ToolSpec, outcome

GoalCategory = Annotated[Category, Meta(description="One word or two, such as `language`.")]
Importance = Annotated[int, Meta(ge=0, le=1000, description="The higher, the more important; 0 where nothing is said.")]


class ListGoals(Arguments, frozen=True):
    status: Annotated[Status, Meta(description="Only goals of this status.")] = "active"


async def list_goals(context: MentorContext, arguments: ListGoals, first_passage: int) -> ToolOutcome:
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


async def create_goal(context: MentorContext, arguments: CreateGoal, first_passage: int) -> ToolOutcome:
    learner = context.principal.user_id
    if learner is None:
        raise ToolRefusal("Only somebody who is signed in has goals.")
    values = read_values(arguments, ("title", "description", "category", "priority", "due_date"))
    async with context.database.session(context.principal) as session:
        facts = _goal_facts(context, await open_goal(session, learner, values))
    return outcome("done", goal=facts)


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


async def update_goal(context: MentorContext, arguments: UpdateGoal, first_passage: int) -> ToolOutcome:
    goal_id = read_id(arguments.goal_id, "goal_id", "list_goals")
    changes = read_changes(arguments, _CHANGEABLE, arguments.clear)
    async with context.database.session(context.principal) as session:
        goal = await get_goal(session, goal_id)
        before = {name: getattr(goal, name) for name in changes}
        facts = _goal_facts(context, await change_goal(session, goal_id, changes))
    return outcome("done", goal=facts, changed=tell_changes(before, changes))


def _goal_facts(context: MentorContext, goal: Any) -> dict[str, Any]:
    """A goal, or a row with its columns, as a model sees it."""
    return {
        "id": goal.id,
        "title": short(context, goal.title),
        "category": goal.category and short(context, goal.category),
        "status": goal.status,
        "priority": goal.priority,
        "due_date": goal.due_date,
        "overdue": goal.due_date is not None and goal.status == "active" and goal.due_date < context.now,
    }


LIST_GOALS: Final = ToolSpec(
    "list_goals",
    "List the learner's own goals, the next due first, with their ids.",
    ListGoals,
    list_goals,
)

CREATE_GOAL: Final = ToolSpec(
    "create_goal",
    "Set a new goal for the learner. Only when the learner asks for it. A goal is what they want to reach; a single"
    " thing to do is a task.",
    CreateGoal,
    create_goal,
    write=True,
)

UPDATE_GOAL: Final = ToolSpec(
    "update_goal",
    "Change a goal of the learner: its title, description, category, status, priority or due date. Only when the"
    " learner asks for it; fields that are left out stay as they are.",
    UpdateGoal,
    update_goal,
    write=True,
)
