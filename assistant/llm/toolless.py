"""For models that take no tools: how their server says so, and the same request put without any."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from assistant.llm.events import Block, ModelRequest

_REFUSAL: Final = re.compile(
    r"(?:\bnot|n't) support (?:tools(?!\.?\w)|(?:tool|function)[ -](?:use|calls?|calling)\b)"
    r"|\b(?:tools|(?:tool|function)[ -](?:use|calls?|calling)) (?:is|are) (?:not supported|unsupported)\b",
    re.IGNORECASE,
)
"""Servers have no code for it, only words. A complaint about one tool's schema is none: that would be our mistake."""


def says_no_tools(message: str | None) -> bool:
    """Whether the words of a refusal are that this model takes no tools at all."""
    return message is not None and _REFUSAL.search(message) is not None


def without_tools(request: ModelRequest) -> ModelRequest:
    """The same request, nothing offered, and earlier calls and results told as text; cache marks stay."""
    names = {
        block["id"]: block["name"]
        for message in request.messages
        for block in _blocks(message)
        if block["type"] == "tool_use"
    }
    messages = [_told(message, names) for message in request.messages]
    return replace(request, messages=messages, tools=[])


def _blocks(message: Mapping[str, Any]) -> list[Block]:
    content: str | list[Block] = message["content"]
    return [] if isinstance(content, str) else content


def _told(message: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return message
    return message | {"content": [_as_text(block, names) for block in _blocks(message)]}


def _as_text(block: Block, names: Mapping[str, str]) -> Block:
    match block["type"]:
        case "tool_use":
            text = f"[Called {block['name']} with {msgspec.json.encode(block['input']).decode()}]"
        case "tool_result":
            outcome = "Failure" if block.get("is_error") else "Result"
            text = f"[{outcome} of {names.get(block['tool_use_id'], 'a tool')}]\n{_text_of(block.get('content', ''))}"
        case _:
            return block
    told: Block = {"type": "text", "text": text}
    return told | {"cache_control": block["cache_control"]} if "cache_control" in block else told


def _text_of(content: str | list[Block]) -> str:
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)
