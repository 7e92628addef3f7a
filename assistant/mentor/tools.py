"""Which tools a model is offered, and what happens when it calls one."""

from typing import Any, Final

import structlog

from assistant.errors import AssistantError
from assistant.mentor.context import MentorContext
from assistant.mentor.toolbox import TOOLS
from assistant.mentor.toolspec import ToolOutcome, ToolRefusal, ToolSpec, outcome, read_arguments
from assistant.spaces.mentor_config import MentorConfig, ToolPolicy

__all__ = ["ToolOutcome", "available_tools", "is_write", "offered", "policy", "run_tool"]

log = structlog.get_logger(__name__)

_BY_NAME: Final = {spec.name: spec for spec in TOOLS}


def offered(config: MentorConfig, *, can_write: bool) -> list[dict[str, Any]]:
    """The tools that a model is told of, in the Messages API's form, always in the same order."""
    return [
        {"name": spec.name, "description": spec.description, "input_schema": spec.input_schema}
        for spec in _allowed(config, can_write=can_write)
    ]


def available_tools(context: MentorContext) -> list[ToolSpec]:
    """The same, for a turn."""
    return _allowed(context.config, can_write=context.can_write)


def _allowed(config: MentorConfig, *, can_write: bool) -> list[ToolSpec]:
    return [spec for spec in TOOLS if policy(spec, config) != "off" and (can_write or not spec.editors_only)]


def is_write(name: str) -> bool:
    """Whether a tool of this name changes something."""
    return name in _BY_NAME and _BY_NAME[name].write


def policy(spec: ToolSpec, config: MentorConfig, *, tainted: bool = False) -> ToolPolicy:
    """How the tool may be used: at once, after the learner's approval, or not.

    The owner decides; a write needs approval where they said nothing, and in any case once the model reads text that
    the learner did not write (`tainted`).
    """
    said = config.tools.get(spec.name, "ask" if spec.write else "auto")
    if said == "off":
        return "off"
    if not spec.write:
        return "auto"
    return "ask" if tainted else said


async def run_tool(
    name: str, arguments: object, context: MentorContext, *, tainted: bool, first_passage: int
) -> ToolOutcome:
    """Carry out a model's call as the learner. Never raises for what a model or the database has to say against it.

    Passages that a search finds are numbered from `first_passage`.
    """
    available = available_tools(context)
    spec = next((spec for spec in available if spec.name == name), None)
    if spec is None:
        names = ", ".join(spec.name for spec in available) or "none"
        return _failed("unknown_tool", f"There is no such tool here. The tools are: {names}.")
    try:
        read = read_arguments(spec, arguments)
        if policy(spec, context.config, tainted=tainted) == "ask":
            return _needs_approval(spec, tainted=tainted)
        return await spec.run(context, read, first_passage)
    except ToolRefusal as refusal:
        return _failed("invalid", str(refusal))
    except AssistantError as error:
        log.info("tool_refused", tool=name, code=error.code)
        return _failed(error.code, error.detail)
    except Exception:
        # The edge of a tool: its transaction is rolled back, the model is told, and the log has the traceback.
        log.exception("tool_failed", tool=name)
        return _failed("internal_error", "This did not work because of a fault of this service. Nothing was changed.")


def _failed(code: str, message: str) -> ToolOutcome:
    return outcome("failed", code=code, message=message)


def _needs_approval(spec: ToolSpec, *, tainted: bool) -> ToolOutcome:
    why = (
        "this conversation holds text that the learner did not write"
        if tainted
        else f"this space does not let {spec.name} run by itself"
    )
    return outcome(
        "not_done",
        code="approval_required",
        message=f"This was NOT done and nothing was changed: it needs the learner's approval, since {why}. Tell the"
        " learner that it was not done and why. Do not call the tool again in this turn.",
    )
