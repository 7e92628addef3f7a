"""Tools for the modules of the space, the learner's progress with them, and the space as a whole."""

from typing import Annotated, Final

from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.mentor.context import MentorContext, Scene
from assistant.mentor.policies import LISTED
from assistant.mentor.repository import modules_with_progress
from assistant.mentor.toolbox.arguments import ModuleId, changed, find_module, short
from assistant.mentor.toolspec import Arguments, Effect, ReadTool, ToolOutcome, ToolRefusal, WriteTool, outcome
from assistant.spaces.progress import hold_progress
from assistant.spaces.progress import update_module_progress as set_module_progress
from assistant.spaces.service import summarise_space


class ListModules(Arguments, frozen=True):
    after: Annotated[int, Meta(ge=0, le=1_000_000, description="Leave out so many of the first ones. First: 0.")] = 0


async def list_modules(context: MentorContext, arguments: ListModules) -> ToolOutcome:
    async with context.database.transaction(context.principal) as connection:
        modules = await modules_with_progress(
            connection, context.space_id, context.principal.user_id, arguments.after, LISTED
        )
    listed = [
        {
            "id": each.id,
            "title": short(context, each.title),
            "content_type": each.content_type,
            "completion_percentage": each.completion_percentage,
            "completed_at": each.completed_at,
        }
        for each in modules
    ]
    return outcome("done", modules=listed, total=modules[0].total if modules else 0)


class UpdateModuleProgress(Arguments, frozen=True):
    module_id: ModuleId
    completion_percentage: Annotated[
        int, Meta(ge=0, le=100, description="How far the learner is, in percent; 100 completes the module.")
    ]


async def update_module_progress(session: AsyncSession, scene: Scene, arguments: UpdateModuleProgress) -> Effect:
    learner = scene.principal.user_id
    if learner is None:
        raise ToolRefusal("Only somebody who is signed in has progress.")
    module = await find_module(session, scene, arguments.module_id)
    held = await hold_progress(session, module.id, learner)
    was = held.completion_percentage if held else 0
    progress = await set_module_progress(session, module.id, learner, arguments.completion_percentage)
    facts = {
        "module_id": module.id,
        "module": short(scene, module.title),
        "completion_percentage": progress.completion_percentage,
        "before": was,
    }
    before = {"completion_percentage": was}
    return changed("module_progress", progress, before, module.title, {"progress": facts})


class SpaceSummary(Arguments, frozen=True):
    """None: it is about this space."""


async def space_summary(context: MentorContext, arguments: SpaceSummary) -> ToolOutcome:
    async with context.database.session(context.principal) as session:
        summary = await summarise_space(session, context.space_id)
    return outcome(
        "done",
        summary={
            "title": short(context, summary.title),
            "total_modules": summary.total_modules,
            "completed_modules": summary.completed_modules,
            "total_tasks": summary.total_tasks,
            "completed_tasks": summary.completed_tasks,
            "overall_progress": float(summary.overall_progress),
        },
    )


LIST_MODULES: Final = ReadTool(
    "list_modules",
    "List the modules of this space in their order, with their ids and how far this learner is with each. Use it when"
    " the state does not show the module that the learner speaks of.",
    ListModules,
    list_modules,
)

UPDATE_MODULE_PROGRESS: Final = WriteTool(
    "update_module_progress",
    "Set how far the learner is with a module of this space. Only when the learner says so themselves.",
    UpdateModuleProgress,
    update_module_progress,
    target="module_id",
)

SPACE_SUMMARY: Final = ReadTool(
    "space_summary",
    "Count this space's modules and tasks, and how many are completed: those of its owner, whoever asks. Use it for"
    " questions about the space as a whole.",
    SpaceSummary,
    space_summary,
)
