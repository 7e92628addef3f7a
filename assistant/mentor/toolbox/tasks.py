"""Tools for the tasks of the space."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from assistant.errors import NotFoundError
from assistant.mentor.context import MentorContext
from assistant.mentor.policies import LISTED
from assistant.mentor.repository import next_tasks
from assistant.mentor.toolbox.arguments import (
    Day,
    Description,
    ModuleId,
    NewTitle,
    TaskId,
    end_of,
    find_module,
    read_changes,
    read_id,
    read_values,
    short,
    tell_changes,
)
from assistant.mentor.toolspec import Arguments, ToolOutcome, ToolSpec, outcome
from assistant.spaces.schemas import Priority, TaskStatus
from assistant.spaces.tasks import create_task as add_task
from assistant.spaces.tasks import get_task
from assistant.spaces.tasks import update_task as change_task

_OPEN: Final[tuple[TaskStatus, ...]] = ("pending", "in_progress")


class ListTasks(Arguments, frozen=True):
    status: (
        Annotated[TaskStatus, Meta(description="Only tasks of this status. Left out: all that are open.")] | UnsetType
    ) = UNSET
    module_id: ModuleId | UnsetType = UNSET
    due_before: (
        Annotated[Day, Meta(description="Only tasks due on this day or before it, as an ISO 8601 date.")] | UnsetType
    ) = UNSET


async def list_tasks(context: MentorContext, arguments: ListTasks, first_passage: int) -> ToolOutcome:
    until = None if arguments.due_before is UNSET else end_of(arguments.due_before, "due_before")
    statuses = _OPEN if arguments.status is UNSET else (arguments.status,)
    module_id = None
    if arguments.module_id is not UNSET:
        async with context.database.session(context.principal) as session:
            module_id = (await find_module(session, context, arguments.module_id)).id
    async with context.database.transaction(context.principal) as connection:
        tasks = await next_tasks(
            connection, context.space_id, statuses=statuses, module_id=module_id, due_before=until, limit=LISTED
        )
    listed = [_task_facts(context, task) for task in tasks]
    return outcome("done", tasks=listed, total=tasks[0].total if tasks else 0, **_limit_shown(arguments.due_before))


def _limit_shown(due_before: str | UnsetType) -> dict[str, str]:
    return {} if due_before is UNSET else {"due_before": due_before[:10]}


class CreateTask(Arguments, frozen=True):
    title: Annotated[NewTitle, Meta(description="What is to be done, in a few words.")]
    description: Description | UnsetType = UNSET
    priority: Priority = "medium"
    due_date: (
        Annotated[Day, Meta(description="ISO 8601 date, or date and time. Only if the learner named one.")] | UnsetType
    ) = UNSET
    module_id: ModuleId | UnsetType = UNSET


async def create_task(context: MentorContext, arguments: CreateTask, first_passage: int) -> ToolOutcome:
    values = read_values(arguments, ("title", "description", "priority", "due_date", "module_id"))
    async with context.database.session(context.principal) as session:
        if "module_id" in values:
            values["module_id"] = (await find_module(session, context, values["module_id"])).id
        task = await add_task(session, context.space_id, **values)
        facts = _task_facts(context, task)
    return outcome("done", task=facts)


class UpdateTask(Arguments, frozen=True):
    task_id: TaskId
    title: NewTitle | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    status: TaskStatus | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    due_date: Day | UnsetType = UNSET
    module_id: ModuleId | UnsetType = UNSET
    clear: (
        Annotated[
            list[Literal["description", "due_date", "module_id"]],
            Meta(max_length=3, description="Fields that are to be empty from now on."),
        ]
        | UnsetType
    ) = UNSET


_CHANGEABLE: Final = ("title", "description", "status", "priority", "due_date", "module_id")


async def update_task(context: MentorContext, arguments: UpdateTask, first_passage: int) -> ToolOutcome:
    task_id = read_id(arguments.task_id, "task_id", "list_tasks")
    changes = read_changes(arguments, _CHANGEABLE, arguments.clear)
    async with context.database.session(context.principal) as session:
        task = await get_task(session, task_id)
        if task.space_id != context.space_id:
            raise NotFoundError("There is no such task in this space.")
        if changes.get("module_id") is not None:
            changes["module_id"] = (await find_module(session, context, changes["module_id"])).id
        before = {name: getattr(task, name) for name in changes}
        task = await change_task(session, task_id, changes)
        facts = _task_facts(context, task)
    return outcome("done", task=facts, changed=tell_changes(before, changes))


def _task_facts(context: MentorContext, task: Any) -> dict[str, Any]:
    """A task, or a row with its columns, as a model sees it."""
    return {
        "id": task.id,
        "title": short(context, task.title),
        "status": task.status,
        "priority": task.priority,
        "due_date": task.due_date,
        "overdue": task.due_date is not None and task.status != "completed" and task.due_date < context.now,
        "module_id": task.module_id,
    }


LIST_TASKS: Final = ToolSpec(
    "list_tasks",
    "List tasks of this space, the next due first, with their ids. Use it when the state does not show what the"
    " learner asks about.",
    ListTasks,
    list_tasks,
)

CREATE_TASK: Final = ToolSpec(
    "create_task",
    "Add a task to this space. Only when the learner asks for it; one call for each task.",
    CreateTask,
    create_task,
    write=True,
    editors_only=True,
)

UPDATE_TASK: Final = ToolSpec(
    "update_task",
    "Change a task of this space: its title, description, status, priority, due date or module; `completed` as its"
    " status completes it. Only when the learner asks for it; fields that are left out stay as they are.",
    UpdateTask,
    update_task,
    write=True,
    editors_only=True,
)
