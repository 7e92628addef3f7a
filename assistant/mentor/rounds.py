"""The model's replies and its tools' results, in turn, until the model has nothing to ask for or a limit is reached."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import msgspec

from assistant.knowledge.retrieval import Passage
from assistant.llm.events import OFFLINE, Block, Model, ModelError, ModelRequest, ToolInputDelta
from assistant.mentor.actions.models import Action
from assistant.mentor.context import MentorContext, is_tainted, mark_for_cache
from assistant.mentor.events import MentorEvent, ToolResult, Turn, TurnRecord
from assistant.mentor.policies import (
    ANSWER_CHARACTERS,
    IDENTICAL_FAILURES,
    ROUNDS,
    TOOL_CALLS,
    TOOL_INPUT_CHARACTERS,
    WRITES,
)
from assistant.mentor.reply import Reply
from assistant.mentor.tools import is_write, run_tool
from assistant.mentor.toolspec import Numbered, ToolOutcome, numbered, outcome
from assistant.usage.entries import tool_entry

SEARCH: Final = "search_documents"

LIMIT_REACHED: Final = outcome(
    "not_done",
    code="limit_reached",
    message="Nothing was done: this turn's limit is reached, and no more tools will run in it. "
    "Answer now with what you have, and say what is left to do.",
)


@dataclass(slots=True)
class Limits:
    """What a turn has used of what it may."""

    calls: int = 0
    writes: int = 0
    failures: Counter[bytes] = field(default_factory=Counter)
    reached: str | None = None

    def admit(self, call: Block) -> bool:
        """Whether this call may still run; counts it if so."""
        if self.reached is None and self.calls >= TOOL_CALLS:
            self.reached = "tool_calls"
        if self.reached is None and is_write(call["name"]) and self.writes >= WRITES:
            self.reached = "writes"
        if self.reached is not None:
            return False
        self.calls += 1
        self.writes += is_write(call["name"])
        return True

    def note_failure(self, call: Block) -> None:
        key = msgspec.json.encode([call["name"], call["input"]], order="sorted")
        self.failures[key] += 1
        if self.failures[key] >= IDENTICAL_FAILURES:
            self.reached = "identical_failures"


class Rounds:
    """The model's replies and its tools' results, in turn."""

    def __init__(
        self, model: Model, context: MentorContext, turn: Turn, record: TurnRecord, shown: list[Passage]
    ) -> None:
        self._model = model
        self._context = context
        self._turn = turn
        self._record = record
        self._limits = Limits()
        self.shown = shown
        """All passages that the model was shown; the n-th has the number n."""
        self.acted = False
        """Whether any tool was called that does more than search the documents."""
        self.results: list[str] = []
        """What the tools told, passages aside, and what they were given to write."""
        self._took: dict[str, int] = {}
        """Milliseconds, by the call's id."""

    async def run(self, request: ModelRequest) -> AsyncGenerator[MentorEvent, None]:
        messages = list(request.messages)
        for _ in range(ROUNDS):
            reply, written = Reply(self._model, self._record, self._turn.budget), 0
            asked = ModelRequest(
                request.model, request.system, mark_for_cache(messages), request.tools, request.max_tokens
            )
            async with aclosing(reply.stream(asked)) as events:
                async for event in events:
                    written += len(event.partial_json) if isinstance(event, ToolInputDelta) else 0
                    if written > TOOL_INPUT_CHARACTERS:
                        raise ModelError("model_malformed")
                    yield event
                    if len(self._record.text) > ANSWER_CHARACTERS:
                        raise ModelError("model_malformed")
            self._turn.conversation.append("assistant", reply.blocks)
            self._record.text_in_steps = len(self._record.text)
            messages.append({"role": "assistant", "content": reply.blocks})
            calls = [block for block in reply.blocks if block["type"] == "tool_use"]
            if not calls:
                break
            stopped = self._limits.reached is not None
            await self._turn.conversation.stored()
            results: list[Block] = []
            # The offline mentor takes requests from the question alone: no document can have put one there.
            tainted = self._model.name != OFFLINE and is_tainted(messages)
            async for call, result in self._carry_out(calls, tainted=tainted):
                results.append(result_block(call["id"], result))
                yield ToolResult(call["id"], call["name"], result.content, result.data, result.is_error)
            if results:
                self._turn.conversation.append("user", results)
                messages.append({"role": "user", "content": results})
            if stopped or self._record.waiting:  # it was told, and asked all the same; or the learner is asked
                break
        else:
            self._limits.reached = "rounds"
        if self._limits.reached is not None:
            yield self._record.notice("limit_reached", {"limit": self._limits.reached})
        if self._record.stop_reason not in ("end_turn", "tool_use", "stop_sequence"):
            yield self._record.notice("answer_cut", {"reason": self._record.stop_reason})

    async def _carry_out(
        self, calls: Sequence[Block], *, tainted: bool
    ) -> AsyncGenerator[tuple[Block, ToolOutcome], None]:
        """The outcomes, in the order of the calls: those that only read, together; those that write, one by one."""
        for writes, group in groupby(calls, key=lambda call: is_write(call["name"])):
            together = list(group)
            if writes:
                done = [(call, await self._call(call, tainted=tainted)) for call in together]
            else:
                found = await asyncio.gather(*(self._call(call, tainted=tainted) for call in together))
                done = list(zip(together, found, strict=True))
            for call, result in done:
                if isinstance(result, Action):
                    self._record.waiting.append(result)
                    self._log(call, result.status)
                else:
                    yield call, self._settle(call, result)

    async def _call(self, call: Block, *, tainted: bool) -> ToolOutcome | Numbered | Action:
        if not self._limits.admit(call):
            return LIMIT_REACHED
        self.acted = self.acted or call["name"] != SEARCH
        if is_write(call["name"]):  # what it is to write may be spoken of while the learner is asked
            self.results.append(msgspec.json.encode(call["input"]).decode())
        began = time.monotonic()
        result = await run_tool(call["name"], call["input"], self._context, tainted=tainted, call_id=call["id"])
        self._took[call["id"]] = int((time.monotonic() - began) * 1000)
        return result

    def _log(self, call: Block, status: str) -> None:
        self._record.entries.append(tool_entry(call["name"], call["input"], status, self._took.get(call["id"])))

    def _settle(self, call: Block, result: ToolOutcome | Numbered) -> ToolOutcome:
        settled = numbered(result, len(self.shown) + 1)
        self._log(call, settled.data.get("status", "done"))
        self.shown += settled.passages
        if not settled.passages:
            self.results.append(settled.content)
        if settled.is_error:
            self._limits.note_failure(call)
        elif is_write(call["name"]) and settled.data["status"] == "done":
            self._record.executed.append(call["name"])
        return settled


def result_block(call_id: str, result: ToolOutcome) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call_id, "content": result.content}
    return block | {"is_error": True} if result.is_error else block
