"""One call of the model: paid for before it is made, streamed, and accounted for however it ends."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

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
        told = Usage(_told(request), None, 0, 0)
        call = ModelCall("chat", self._model.name, request.model, told, estimated=True, fallback=self._model.fallback)
        await self._budget.reserve(record.entries, call, request.max_tokens)
        usage = Usage()
        ending: Outcome = "stopped"
        record.model = call.model
        record.rounds += 1
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    match event:
                        case FellBack():
                            call = replace(call, model=event.model)
                            record.model = call.model
                        case TextDelta(text):
                            if self._text_before and len(record.text) == self._text_before:
                                record.text += "\n\n"
                                yield TextDelta("\n\n")
                            record.text += text
                            yield event
                        case Completed():
                            call, usage = replace(call, model=event.model), event.usage
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
            self._account(call, usage, ending)

    def _account(self, call: ModelCall, usage: Usage, ending: Outcome) -> None:
        if self._model.name == OFFLINE:
            usage = NO_USAGE
        said = text_tokens(self._record.text[self._text_before :])
        self._record.entries.append(call.ended(usage, said, ending).entry())


def _told(request: ModelRequest) -> int:
    """Tokens of everything that the model is told, by estimate."""
    messages = sum(content_tokens(each["content"]) for each in request.messages)
    return content_tokens(request.system) + messages + estimate_tokens(len(msgspec.json.encode(request.tools)))
