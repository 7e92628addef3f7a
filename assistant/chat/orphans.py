"""The end of a run whose process is gone: what there is of its answer, and what it is known to have used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from assistant.chat import events, repository
from assistant.chat.answering import AnswerInterruptedError, build_ending, closing_events
from assistant.chat.log import RunLog
from assistant.llm.events import OFFLINE, Usage
from assistant.llm.tokens import estimate_tokens
from assistant.mentor.events import TurnRecord
from assistant.usage.entries import Entry, ModelCall, tool_entry


@dataclass(slots=True)
class _Tool:
    """A call as events tell of it."""

    name: str
    arguments: str = ""
    status: str = "killed"


@dataclass(slots=True)
class _Story:
    """What stored events say of an answer."""

    record: TurnRecord = field(default_factory=TurnRecord)
    tools: dict[str, _Tool] = field(default_factory=dict)
    tools_open: list[str] = field(default_factory=list)
    text_open: bool = False


def end_orphan(orphan: repository.OrphanedRun) -> repository.Ending:
    """What there is of an answer whose process died, and the events that close its log."""
    story = _read(orphan.events)
    record = story.record
    record.provider = orphan.provider
    record.entries = _entries(orphan, story)
    error = AnswerInterruptedError()
    numbered = [b""] * orphan.events[-1]["metadata"]["seq"]
    run_log = RunLog(orphan.id, orphan.client_run_id, orphan.user_id, orphan.epoch, numbered)
    last = [
        *closing_events(str(orphan.answer_id), story.tools_open, story.text_open, record),
        events.run_error(error, record.usage, record.provider),
    ]
    return build_ending(
        run_log, orphan.id, orphan.space_id, last, record, "interrupted", error, {}, is_question=orphan.is_question
    )


def _read(stored: Sequence[dict[str, Any]]) -> _Story:
    story = _Story()
    record = story.record
    for event in stored:
        match event["type"]:
            case "TEXT_MESSAGE_START":
                story.text_open = True
            case "TEXT_MESSAGE_CONTENT":
                record.text += event["delta"]
            case "TEXT_MESSAGE_END":
                story.text_open = False
            case "TOOL_CALL_START":
                story.tools_open.append(event["toolCallId"])
                story.tools[event["toolCallId"]] = _Tool(event["toolCallName"])
            case "TOOL_CALL_ARGS":
                story.tools[event["toolCallId"]].arguments += event["delta"]
            case "TOOL_CALL_END":
                story.tools_open.remove(event["toolCallId"])
            case "TOOL_CALL_RESULT":  # by then the reply that asked for it is a step
                record.text_in_steps = len(record.text)
            case "CUSTOM" if event["name"] == "tool_result":
                value = event["value"]
                # A run that resumes has the results of calls that another one made.
                if (tool := story.tools.get(value["tool_call_id"])) is not None:
                    tool.status = str(value["data"].get("status", "done"))
    return story


def _entries(orphan: repository.OrphanedRun, story: _Story) -> list[Entry]:
    """What was known when the last call was begun, that call by estimate, and the tools that events tell of."""
    reserved = orphan.reserved or {}
    known = [
        Entry(row["action"], row["tokens_used"], row["details"])
        for row in (*reserved.get("known", ()), *_in_flight(orphan, reserved.get("call"), story.record))
    ]
    logged = sum(entry.action == "tool" for entry in known)
    return [*known, *list(_tools(story))[logged:]]


def _in_flight(
    orphan: repository.OrphanedRun, call: dict[str, Any] | None, record: TurnRecord
) -> Iterator[dict[str, Any]]:
    """The call that was under way, if there was one: told the question at least, and it had said what events hold."""
    if orphan.provider == OFFLINE or not (call or orphan.characters_sent):
        return
    details = call["details"] if call else {}
    told = details.get("input_tokens") or estimate_tokens(orphan.characters_sent)
    said = estimate_tokens(len(record.text) - record.text_in_steps)
    model = details.get("model", "unknown")
    usage = Usage(told, said, 0, 0)
    yield ModelCall("chat", orphan.provider, model, usage, estimated=True, outcome="killed").entry().row(None)


def _tools(story: _Story) -> Iterator[Entry]:
    for tool in story.tools.values():
        try:
            arguments: object = msgspec.json.decode(tool.arguments or "{}")
        except msgspec.DecodeError:  # the process died while they came
            arguments = tool.arguments
        yield tool_entry(tool.name, arguments, tool.status, None)
