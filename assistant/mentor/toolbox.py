"""The mentor's tools. Each checks what it is given, calls a service as the learner, and tells what came of it.

A further tool is a further entry in TOOLS.
"""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.mentor.briefing import TITLE_CHARACTERS, is_own, write_passages
from assistant.mentor.context import MentorContext, fit_passages
from assistant.mentor.delimiting import clean_line
from assistant.mentor.policies import LISTED, PASSAGES
from assistant.mentor.repository import newest_documents, next_tasks
from assistant.mentor.toolspec import Arguments, ToolOutcome, ToolRefusal, ToolSpec, outcome
from assistant.spaces.models import Module
from assistant.spaces.progress import get_progress
from assistant.spaces.progress import update_module_progress as set_module_progress
from assistant.spaces.service import list_modules
from assistant.spaces.tasks import create_task as add_task

ModuleId = Annotated[
    str,
    Meta(
        max_length=40,
        description="The module's id, as the state or a tool result shows it.",
        extra_json_schema={"format": "uuid"},
    ),
]
Day = Annotated[
    str,
    Meta(max_length=40, extra_json_schema={"examples": ["2026-12-01", "2026-12-01T17:00:00Z"]}),
]


class SearchDocuments(Arguments, frozen=True):
    query: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description="What to look for, as a question or a few words in the language of the documents.",
        ),
    ]
    limit: Annotated[int, Meta(ge=1, le=PASSAGES, description="At most so many passages.")] = PASSAGES


async def search_documents(context: MentorContext, arguments: SearchDocuments, first_passage: int) -> ToolOutcome:
    found = await context.retriever.retrieve(
        context.principal,
        context.space_id,
        arguments.query,
        limit=arguments.limit,
    )
    passages = fit_passages(found)
    data: dict[str, Any] = {
        "status": "done",
        "passages": [
            {"index": number, "document_id": str(each.document_id), "title": each.title, "heading": each.heading}
            for number, each in enumerate(passages, first_passage)
        ],
    }
    if not passages:
        return ToolOutcome("Nothing relevant was found in the space's documents with these words.", data)
    shown = write_passages(passages, context.marker, context.principal.user_id, first_passage)
    return ToolOutcome(f"Passages, numbered on from those shown before:\n{shown}", data, passages=passages)


class ListDocuments(Arguments, frozen=True):
    """None: it lists all that there are, as far as they fit."""


async def list_documents(context: MentorContext, arguments: ListDocuments, first_passage: int) -> ToolOutcome:
    async with context.database.transaction(context.principal) as connection:
        documents = await newest_documents(connection, context.space_id, LISTED)
    learner = context.principal.user_id
    listed = [
        {"id": each.id, "title": _title(context, each.title)}
        | ({} if is_own(each.created_by, learner) else {"author": "other"})
        for each in documents
    ]
    return outcome("done", documents=listed, total=documents[0].total if documents else 0)


TaskStatus = Literal["pending", "in_progress", "completed"]

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
    until = None if arguments.due_before is UNSET else _end_of(arguments.due_before, "due_before")
    statuses = _OPEN if arguments.status is UNSET else (arguments.status,)
    module_id = None
    if arguments.module_id is not UNSET:
        async with context.database.session(context.principal) as session:
            module_id = (await _find_module(session, context, arguments.module_id)).id
    async with context.database.transaction(context.principal) as connection:
        tasks = await next_tasks(
            connection, context.space_id, statuses=statuses, module_id=module_id, due_before=until, limit=LISTED
        )
    listed = [_task_facts(context, task) for task in tasks]
    return outcome("done", tasks=listed, total=tasks[0].total if tasks else 0, **_limit_shown(arguments.due_before))


def _limit_shown(due_before: str | UnsetType) -> dict[str, str]:
    return {} if due_before is UNSET else {"due_before": due_before[:10]}


class CreateTask(Arguments, frozen=True):
    title: Annotated[str, Meta(min_length=1, max_length=300, description="What is to be done, in a few words.")]
    description: Annotated[str, Meta(max_length=20_000, description="More about it, if needed.")] | UnsetType = UNSET
    priority: Literal["low", "medium", "high", "urgent"] = "medium"
    due_date: (
        Annotated[Day, Meta(description="ISO 8601 date, or date and time. Only if the learner named one.")] | UnsetType
    ) = UNSET
    module_id: ModuleId | UnsetType = UNSET


async def create_task(context: MentorContext, arguments: CreateTask, first_passage: int) -> ToolOutcome:
    title = " ".join(arguments.title.split())
    if not title:
        raise ToolRefusal("`title` is empty. Say in a few words what is to be done.")
    due = None if arguments.due_date is UNSET else _end_of(arguments.due_date, "due_date")
    async with context.database.session(context.principal) as session:
        module_id = None
        if arguments.module_id is not UNSET:
            module_id = (await _find_module(session, context, arguments.module_id)).id
        task = await add_task(
            session,
            context.space_id,
            title=title,
            description=None if arguments.description is UNSET else arguments.description,
            priority=arguments.priority,
            due_date=due,
            module_id=module_id,
        )
        facts = _task_facts(context, task)
    return outcome("done", task=facts)


class UpdateModuleProgress(Arguments, frozen=True):
    module_id: ModuleId
    completion_percentage: Annotated[
        int, Meta(ge=0, le=100, description="How far the learner is, in percent; 100 completes the module.")
    ]


async def update_module_progress(
    context: MentorContext, arguments: UpdateModuleProgress, first_passage: int
) -> ToolOutcome:
    learner = context.principal.user_id
    if learner is None:
        raise ToolRefusal("Only somebody who is signed in has progress.")
    async with context.database.session(context.principal) as session:
        module = await _find_module(session, context, arguments.module_id)
        before = await get_progress(session, module.id, learner)
        was = before.completion_percentage if before else 0
        progress = await set_module_progress(session, module.id, learner, arguments.completion_percentage)
        facts = {
            "module_id": module.id,
            "module": _title(context, module.title),
            "completion_percentage": progress.completion_percentage,
            "before": was,
        }
    return outcome("done", progress=facts)


async def _find_module(session: AsyncSession, context: MentorContext, reference: str) -> Module:
    """The module of this space. Raises ToolRefusal that lists what there is."""
    modules = await list_modules(session, context.space_id, limit=LISTED * 4)
    try:
        wanted = UUID(reference)
    except ValueError:
        wanted = None
    for module in modules:
        if module.id == wanted:
            return module
    listed = "; ".join(f"{module.id} ({_title(context, module.title)})" for module in modules[:LISTED])
    exist = f"Its modules are: {listed}." if modules else "It has none."
    raise ToolRefusal(f"`module_id` names no module of this space. {exist}")


def _task_facts(context: MentorContext, task: Any) -> dict[str, Any]:
    """A task, or a row with its columns, as a model sees it."""
    return {
        "id": task.id,
        "title": _title(context, task.title),
        "status": task.status,
        "priority": task.priority,
        "due_date": task.due_date,
        "overdue": task.due_date is not None and task.status != "completed" and task.due_date < context.now,
        "module_id": task.module_id,
    }


def _title(context: MentorContext, title: str) -> str:
    return clean_line(title, context.marker, TITLE_CHARACTERS)


def _end_of(text: str, name: str) -> datetime:
    """A moment as it is; of a day the last second, so that a task is not late on the day when it is due."""
    try:
        if len(text.strip()) == len("2026-12-01"):
            return datetime.combine(date.fromisoformat(text.strip()), time(23, 59, 59), UTC)
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ToolRefusal(f"`{name}` is no ISO 8601 date, such as 2026-12-01.") from error


TOOLS: Final = (
    ToolSpec(
        "search_documents",
        "Search this space's documents. Returns the passages that fit best, numbered, for you to cite. Use it when the"
        " passages you were shown do not answer the question and other words may find better ones.",
        SearchDocuments,
        search_documents,
    ),
    ToolSpec(
        "list_documents",
        "List the titles of this space's documents, the newest first. Use it when the learner asks which there are.",
        ListDocuments,
        list_documents,
    ),
    ToolSpec(
        "list_tasks",
        "List tasks of this space, the next due first, with their ids. Use it when the state does not show what the"
        " learner asks about.",
        ListTasks,
        list_tasks,
    ),
    ToolSpec(
        "create_task",
        "Add a task to this space. Only when the learner asks for it; one call for each task.",
        CreateTask,
        create_task,
        write=True,
        editors_only=True,
    ),
    ToolSpec(
        "update_module_progress",
        "Set how far the learner is with a module of this space. Only when the learner says so themselves.",
        UpdateModuleProgress,
        update_module_progress,
        write=True,
    ),
)
