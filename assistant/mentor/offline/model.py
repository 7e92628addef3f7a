"""The mentor without a model: it quotes what fits, does what is plainly asked, and says when it has nothing."""

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from typing import Any, Final

import msgspec

from assistant.knowledge.language import detect_language
from assistant.llm.events import (
    NO_USAGE,
    OFFLINE,
    Block,
    Completed,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolInputDelta,
    ToolUseStarted,
)
from assistant.mentor.briefing import ReadTurn, read_turn
from assistant.mentor.offline.lessons import teach
from assistant.mentor.offline.phrases import Phrases, phrases_in
from assistant.mentor.offline.quoting import choose_quotes, quoted
from assistant.mentor.offline.reports import describe_progress, escape, place_of, report
from assistant.mentor.offline.requests import Call, Say, read_request
from assistant.mentor.offline.steps import describe_next, next_steps


class OfflineModel:
    """Answers as a model does, over the same protocol, from nothing but what it is sent. The same request always gets
    the same answer. It takes instructions from the question alone, so no document can make it act."""

    @property
    def name(self) -> str:
        return OFFLINE

    @property
    def fallback(self) -> None:
        """It never fails."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Model.stream`; never fails."""
        reply = _reply(request)
        if isinstance(reply, str):
            for piece in _WORDS.findall(reply):
                yield TextDelta(piece)
                await asyncio.sleep(0)  # others get their turn, and a reader who has left is noticed
            yield Completed([{"type": "text", "text": reply}], "end_turn", NO_USAGE, OFFLINE)
            return
        yield ToolUseStarted(reply["id"], reply["name"])
        yield ToolInputDelta(reply["id"], msgspec.json.encode(reply["input"]).decode())
        yield Completed([reply], "tool_use", NO_USAGE, OFFLINE)


_WORDS: Final = re.compile(r"\s*\S+|\s+")


def _reply(request: ModelRequest) -> str | Block:
    """A text, or a `tool_use` block."""
    turns = [turn for turn in map(_turn_of, request.messages) if turn]
    tools = [tool["name"] for tool in request.tools]
    if not turns:
        phrases = phrases_in("en")
        return phrases.help.format(requests=phrases.examples(tools))
    turn = turns[-1]
    phrases = phrases_in(turn.language or detect_language(turn.question, turn.state.preferred_language or "en"))
    results = list(_results(request.messages))
    if results:
        return "\n\n".join(report(tool, content, is_error=bad, phrases=phrases) for tool, content, bad in results)
    wish = read_request(turn, tools)
    if isinstance(wish, Call):
        return {"type": "tool_use", "id": f"offline_{turn.marker}", "name": wish.tool, "input": wish.arguments}
    role = _role(request.system)
    answers = [said for message in request.messages if (said := _said(message))]
    reply = _say(wish, turn, tools, phrases) if wish else teach(role, turns, answers, phrases) or _answer(turn, phrases)
    ahead = role == "coach" and (wish is None or wish.phrase == "progress")
    steps = next_steps(turn.state, phrases) if ahead else []
    return "\n\n".join([reply, *(phrases.next_step.format(step=step.line) for step in steps[:1])])


_ROLE: Final = re.compile(r"^## Your role here: ([a-z_]+)$", re.MULTILINE)


def _role(system: Sequence[Block]) -> str:
    """The type of mentor, as the first block names it, in which no owner writes."""
    found = _ROLE.search(system[0]["text"]) if system else None
    return found[1] if found else "default"


def _said(message: dict[str, Any]) -> str:
    """What the mentor said in an earlier answer."""
    if message["role"] != "assistant":
        return ""
    return "\n\n".join(block["text"] for block in message["content"] if block.get("type") == "text")


def _turn_of(message: dict[str, Any]) -> ReadTurn | None:
    return read_turn(message["content"]) if message["role"] == "user" else None


def _results(messages: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, bool]]:
    """Tool, content and failure of each result in the last message."""
    if len(messages) < 2 or isinstance(messages[-1]["content"], str):
        return
    asked = messages[-2]["content"]
    names = {block["id"]: block["name"] for block in asked if isinstance(block, dict) and block["type"] == "tool_use"}
    for block in messages[-1]["content"]:
        if block["type"] == "tool_result":
            content = block.get("content") or ""
            text = content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
            yield names.get(block["tool_use_id"], ""), text, bool(block.get("is_error"))


def _say(wish: Say, turn: ReadTurn, tools: Collection[str], phrases: Phrases) -> str:
    if wish.phrase == "progress":
        return describe_progress(turn.state, phrases)
    if wish.phrase == "next":
        return describe_next(turn.state, phrases)
    text: str = getattr(phrases, wish.phrase)
    if wish.phrase in ("help", "cannot"):
        return text.format(requests=phrases.examples(tools))
    if wish.phrase != "which_module":
        return text
    return "\n".join([text, "", *(f"{module.place}. {escape(module.title)}" for module in turn.state.modules)])


def _answer(turn: ReadTurn, phrases: Phrases) -> str:
    if turn.passages is None:
        return phrases.unsearched
    passages = [passage for passage in turn.passages if passage.text.strip()]
    if not passages:
        return phrases.nothing
    chosen = choose_quotes(turn.question, passages)
    parts = [phrases.found if chosen.direct else phrases.closest]
    parts += [quoted(quote) for quote in chosen.quotes]
    if chosen.more:
        further = (
            f"- {place_of(quote.passage.title, quote.passage.heading)}: {quoted(quote)}" for quote in chosen.more
        )
        parts.append("\n".join([phrases.more, "", *further]))
    return "\n\n".join(parts)
