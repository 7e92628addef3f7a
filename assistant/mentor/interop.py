"""The mentor's tools as LangChain tools, for chains and agents of that library. Not imported by the server.

Why the server's own loop does not go through them: docs/decisions/0006-tools-without-langchain-at-run-time.md.
"""

from typing import Any

from langchain_core.tools import StructuredTool

from assistant.mentor.actions.models import Action
from assistant.mentor.context import MentorContext
from assistant.mentor.tools import available_tools, run_tool
from assistant.mentor.toolspec import ToolOutcome, ToolSpec, numbered


def langchain_tools(context: MentorContext, *, tainted: bool = False) -> list[StructuredTool]:
    """The tools that are on offer in `context`, with the same rights, policies and sentences.

    A tool's artifact is the ToolOutcome. `tainted`: the chain reads text that the learner did not write.
    """
    shown = [0]
    return [_structured_tool(spec, context, shown, tainted=tainted) for spec in available_tools(context)]


def _structured_tool(spec: ToolSpec, context: MentorContext, shown: list[int], *, tainted: bool) -> StructuredTool:
    async def call(**arguments: Any) -> tuple[str, ToolOutcome]:
        result = await run_tool(spec.name, arguments, context, tainted=tainted)
        assert not isinstance(result, Action), "without a run nothing can be proposed"
        outcome = numbered(result, shown[0] + 1)
        shown[0] += len(outcome.passages)  # passages are numbered on over all calls
        return outcome.content, outcome

    return StructuredTool(
        name=spec.name,
        description=spec.description,
        args_schema=spec.input_schema,
        coroutine=call,
        response_format="content_and_artifact",
    )
