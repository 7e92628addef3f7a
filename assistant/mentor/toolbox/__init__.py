"""The mentor's tools. Each checks what it is given, calls a service as the learner, and tells what came of it.

A further tool is a further entry in TOOLS; a model is offered them in this order.
"""

from typing import Final

from assistant.mentor.toolbox.documents import LIST_DOCUMENTS, READ_DOCUMENT, SEARCH_DOCUMENTS
from assistant.mentor.toolbox.goals import CREATE_GOAL, LIST_GOALS, UPDATE_GOAL
from assistant.mentor.toolbox.modules import LIST_MODULES, SPACE_SUMMARY, UPDATE_MODULE_PROGRESS
from assistant.mentor.toolbox.tasks import CREATE_TASK, LIST_TASKS, UPDATE_TASK
from assistant.mentor.toolspec import ReadTool, WriteTool

TOOLS: Final[tuple[ReadTool | WriteTool, ...]] = (
    SEARCH_DOCUMENTS,
    READ_DOCUMENT,
    LIST_DOCUMENTS,
    LIST_GOALS,
    CREATE_GOAL,
    UPDATE_GOAL,
    LIST_TASKS,
    CREATE_TASK,
    UPDATE_TASK,
    LIST_MODULES,
    UPDATE_MODULE_PROGRESS,
    SPACE_SUMMARY,
)

WRITE_TOOLS: Final = {tool.name: tool for tool in TOOLS if isinstance(tool, WriteTool)}
