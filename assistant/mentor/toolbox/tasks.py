"""Tools for the tasks of the space."""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.errors import NotFoundError
from assistant.mentor.context import MentorContext, Scene
from assistant.mentor.policies import LISTED
from assistant.mentor.repository import next_tasks
from assistant.mentor.toolbox.arguments import (
    Day,
    Description,
    ModuleId,
    NewTitle,
    TaskId,
    changed,
    created,
    end_of,
    find_module,
    read_changes,
    read_id,
    read_values,
    short,
    values_of,
)
from assistant.mentor.toolspec import Arguments, Effect, ReadTool, ToolOutcome, WriteTool, outcome
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


async def list_tasks(context: MentorContext, arguments: ListTasks) -> ToolOutcome:
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


async def create_task(session: AsyncSession, scene: Scene, arguments: CreateTask) -> Effect:
    values = read_values(arguments, ("title", "description", "priority", "due_date", "module_id"))
    if "module_id" in values:
        values["module_id"] = (await find_module(session, scene, values["module_id"])).id
    task = await add_task(session, scene.space_id, **values)
    return created("tasks", task, _CHANGEABLE, task.title, {"task": _task_facts(scene, task)})


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


async def update_task(session: AsyncSession, scene: Scene, arguments: UpdateTask) -> Effect:
    task_id = read_id(arguments.task_id, "task_id", "list_tasks")
    changes = read_changes(arguments, _CHANGEABLE, arguments.clear)
    if (await get_task(session, task_id)).space_id != scene.space_id:
        raise NotFoundError("There is no such task in this space.")
    if changes.get("module_id") is not None:
        changes["module_id"] = (await find_module(session, scene, changes["module_id"])).id
    task = await change_task(session, task_id, {})  # locked: nobody changes it in between
    before, title = values_of(task, changes), task.title
    task = await change_task(session, task_id, changes)
    return changed("tasks", task, before, title, {"task": _task_facts(scene, task)})


def _task_facts(scene: Scene, task: Any) -> dict[str, Any]:
    """A task, or a row with its columns, as a model sees it."""
    return {
        "id": task.id,
        "title": short(scene, task.title),
        "status": task.status,
        "priority": task.priority,
        "due_date": task.due_date,
        "overdue": task.due_date is not None and task.status != "completed" and task.due_date < scene.now,
        "module_id": task.module_id,
    }


LIST_TASKS: Final = ReadTool(
    "list_tasks",
    "List tasks of this space, the next due first, with their ids. Use it when the state does not show what the"
    " learner asks about.",
    ListTasks,
    list_tasks,
)

CREATE_TASK: Final = WriteTool(
    "create_task",
    "Add a task to this space. Only when the learner asks for it; one call for each task.",
    CreateTask,
    create_task,
    editors_only=True,
)

UPDATE_TASK: Final = WriteTool(
    "update_task",
    "Change a task of this space: its title, description, status, priority, due date or module; `completed` as its"
    " status completes it. Only when the learner asks for it; fields that are left out stay as they are.",
    UpdateTask,
    update_task,
    target="task_id",
    editors_only=True,
)
