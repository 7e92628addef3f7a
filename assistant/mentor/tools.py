"""Which tools a model is offered, and what happens when it calls one."""

from typing import Any

import structlog

from assistant.errors import AssistantError
from assistant.mentor.actions.models import Action, Reason
from assistant.mentor.actions.service import WriteCall, perform, propose
from assistant.mentor.context import MentorContext
from assistant.mentor.toolbox import TOOLS, WRITE_TOOLS
from assistant.mentor.toolspec import (
    Arguments,
    Numbered,
    ReadTool,
    ToolOutcome,
    ToolRefusal,
    WriteTool,
    outcome,
    read_arguments,
)
from assistant.spaces.mentor_config import MentorConfig, ToolPolicy

log = structlog.get_logger(__name__)

Tool = ReadTool | WriteTool


def offered(config: MentorConfig, *, can_write: bool) -> list[dict[str, Any]]:
    """The tools that a model is told of, in the Messages API's form, always in the same order."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in _allowed(config, can_write=can_write)
    ]


def available_tools(context: MentorContext) -> list[Tool]:
    """The same, for a turn."""
    return _allowed(context.config, can_write=context.can_write)


def _allowed(config: MentorConfig, *, can_write: bool) -> list[Tool]:
    return [tool for tool in TOOLS if policy(tool, config) != "off" and (can_write or not _needs_editor(tool))]


def _needs_editor(tool: Tool) -> bool:
    return isinstance(tool, WriteTool) and tool.editors_only


def is_write(name: str) -> bool:
    """Whether a tool of this name changes something."""
    return name in WRITE_TOOLS


def policy(tool: Tool, config: MentorConfig, *, tainted: bool = False) -> ToolPolicy:
    """How the tool may be used: at once, after the learner's approval, or not.

    The owner decides; a write needs approval where they said nothing, and in any case once the model reads text that
    the learner did not write (`tainted`).
    """
    said = config.tools.get(tool.name, "ask" if isinstance(tool, WriteTool) else "auto")
    if said == "off":
        return "off"
    if isinstance(tool, ReadTool):
        return "auto"
    return "ask" if tainted else said


async def run_tool(
    name: str, arguments: object, context: MentorContext, *, tainted: bool, call_id: str = ""
) -> ToolOutcome | Numbered | Action:
    """Carry out a model's call as the learner. Never raises for what a model or the database has to say against it.

    An action: it is proposed, and waits for the learner. `call_id` is the call's within the context's run.
    """
    available = available_tools(context)
    tool = next((tool for tool in available if tool.name == name), None)
    if tool is None:
        names = ", ".join(tool.name for tool in available) or "none"
        return _failed("unknown_tool", f"There is no such tool here. The tools are: {names}.")
    try:
        read = read_arguments(tool, arguments)
        if isinstance(tool, ReadTool):
            return await tool.run(context, read)
        return await _write(tool, read, context, tainted=tainted, call_id=call_id)
    except ToolRefusal as refusal:
        return _failed("invalid", str(refusal))
    except AssistantError as error:
        log.info("tool_refused", tool=name, code=error.code)
        return _failed(error.code, error.detail)
    except Exception:
        # The edge of a tool: its transaction is rolled back, the model is told, and the log has the traceback.
        log.exception("tool_failed", tool=name)
        return _failed("internal_error", "This did not work because of a fault of this service. Nothing was changed.")


async def _write(
    tool: WriteTool, arguments: Arguments, context: MentorContext, *, tainted: bool, call_id: str
) -> ToolOutcome | Action:
    asks = policy(tool, context.config, tainted=tainted) == "ask"
    if context.run_id is None:
        return _cannot_ask(tool) if asks else await _apply(tool, arguments, context)
    call = WriteCall(context.run_id, call_id, tool, arguments)
    if not asks:
        return await perform(context.database, context, call)
    reason: Reason = "foreign_text" if policy(tool, context.config) == "auto" else "policy"
    return await propose(context.database, context, call, reason)


async def _apply(tool: WriteTool, arguments: Arguments, context: MentorContext) -> ToolOutcome:
    async with context.database.session(context.principal) as session:
        return (await tool.apply(session, context, arguments)).outcome()


def _failed(code: str, message: str) -> ToolOutcome:
    return outcome("failed", code=code, message=message)


def _cannot_ask(tool: WriteTool) -> ToolOutcome:
    return outcome(
        "not_done",
        code="approval_required",
        message=f"This was NOT done and nothing was changed: {tool.name} needs the learner's approval, and here nobody"
        " can be asked for it. Tell the learner that it was not done and why. Do not call the tool again in this turn.",
    )
