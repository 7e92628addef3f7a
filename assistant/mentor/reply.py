"""One call of the model: paid for before it is made, streamed, and accounted for however it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from assistant.llm.events import (
    NO_USAGE,
    OFFLINE,
    Block,
    Completed,
    FellBack,
    Model,
    ModelError,
    ModelRequest,
    TextDelta,
    ToolUseStarted,
    Usage,
)
from assistant.llm.tokens import content_tokens, estimate_tokens, text_tokens
from assistant.mentor.events import Budget, MentorEvent, ToolUseEnded, TurnRecord
from assistant.usage.entries import ModelCall, Outcome


class Reply:
    """One call of the model, streamed and accounted for."""

    def __init__(self, model: Model, record: TurnRecord, budget: Budget) -> None:
        self._model = model
        self._record = record
        self._budget = budget
        self._text_before = len(record.text)
        self.blocks: list[Block] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[MentorEvent, None]:
        """The reply's deltas; its blocks stand in `blocks` afterwards. What it cost is counted, however it ends.

        Raises QuotaExceededError before anything is asked for.
        """
        record, open_tool = self._record, ""
        usage, model = Usage(), request.model
        record.model = model
        ending: Outcome = "stopped"
        told = Usage(_told(request), None, 0, 0)
        planned = ModelCall(
            "chat", self._model.name, request.model, told, estimated=True, fallback=self._model.fallback
        )
        await self._budget.reserve(record.entries, planned, request.max_tokens)
        record.rounds += 1
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    match event:
                        case FellBack():
                            model = record.model = event.model
                        case TextDelta(text):
                            if self._text_before and len(record.text) == self._text_before:
                                record.text += "\n\n"
                                yield TextDelta("\n\n")
                            record.text += text
                            yield event
                        case Completed():
                            usage, model = event.usage, event.model
                            self.blocks, record.stop_reason = event.blocks, event.stop_reason
                        case ToolUseStarted(id):
                            if open_tool:
                                yield ToolUseEnded(open_tool)
                            open_tool = id
                            yield event
                        case _:
                            yield event
            if open_tool:
                yield ToolUseEnded(open_tool)
            ending = "ok"
        except ModelError as error:
            usage, ending = error.usage, "failed"
            raise
        finally:
            self._account(request, model, usage, ending)

    def _account(self, request: ModelRequest, model: str, usage: Usage, ending: Outcome) -> None:
        """Add what the call used; what its model did not get to say is estimated, never taken for nothing."""
        if self._model.name == OFFLINE:
            usage = NO_USAGE
        estimated = None in (usage.input_tokens, usage.output_tokens)
        if estimated:
            usage = self._estimate(request, usage)
        call = ModelCall("chat", self._model.name, model, usage, estimated=estimated, outcome=ending)
        self._record.entries.append(call.entry())

    def _estimate(self, request: ModelRequest, known: Usage) -> Usage:
        def either(count: int | None, estimate: int) -> int:
            return estimate if count is None else count

        said = text_tokens(self._record.text[self._text_before :])
        return Usage(
            either(known.input_tokens, _told(request)),
            either(known.output_tokens, said),
            either(known.cache_read_tokens, 0),
            either(known.cache_write_tokens, 0),
        )


def _told(request: ModelRequest) -> int:
    """Tokens of everything that the model is told, by estimate."""
    messages = sum(content_tokens(each["content"]) for each in request.messages)
    return content_tokens(request.system) + messages + estimate_tokens(len(msgspec.json.encode(request.tools)))
