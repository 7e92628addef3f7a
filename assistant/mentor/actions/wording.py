"""What people read of an action, from what is stored of it: never from a model's words."""

from collections.abc import Mapping
from typing import Any, Final

_NOUNS: Final = {"goals": "goal", "tasks": "task", "module_progress": "progress"}
_NAMES: Final = {
    "due_date": "due date",
    "module_id": "module",
    "completion_percentage": "progress",
}
MAX_SHOWN: Final = 80
"""Characters of a value: a description may have pages."""


def tell(status: str, effect: Mapping[str, Any] | None, result: Mapping[str, Any] | None) -> str:
    """A sentence or two: what would be done, was done, or why it was not."""
    if effect is None:
        return "Nothing was changed."
    would, was = _would(effect), _was(effect)
    match status:
        case "proposed":
            return f"{would}?"
        case "approved":
            return f"{would}: approved, about to be done."
        case "rejected":
            return f"{would}: rejected. Nothing was changed."
        case "expired":
            return f"{would}: not answered in time. Nothing was changed."
        case "failed":
            why = (result or {}).get("message", "It did not work.")
            return f"{would}: this failed, and nothing was changed. {why}"
        case "undone":
            return f"{was} This was undone."
        case _:
            return was


def _would(effect: Mapping[str, Any]) -> str:
    if effect["table"] == "module_progress":
        return f"Set your progress with {_quoted(effect['title'])}{_percent(effect)}"
    noun = _NOUNS[effect["table"]]
    if effect["kind"] == "created":
        return f"Create the {noun} {_quoted(effect['title'])}{_given(effect)}"
    return f"Change the {noun} {_quoted(effect['title'])}: {_changes(effect)}"


def _was(effect: Mapping[str, Any]) -> str:
    if effect["table"] == "module_progress":
        return f"Your progress with {_quoted(effect['title'])} was set{_percent(effect)}."
    noun = _NOUNS[effect["table"]]
    if effect["kind"] == "created":
        return f"The {noun} {_quoted(effect['title'])} was created{_given(effect)}."
    return f"The {noun} {_quoted(effect['title'])} was changed: {_changes(effect)}."


def _given(effect: Mapping[str, Any]) -> str:
    """What a new row holds beside its title, as far as somebody would ask."""
    due = effect["fields"].get("due_date", {}).get("after")
    return f", due {_value(due)}" if due else ""


def _percent(effect: Mapping[str, Any]) -> str:
    change = effect["fields"].get("completion_percentage")
    return f" from {change['before']} % to {change['after']} %" if change else " to what it is already"


def _changes(effect: Mapping[str, Any]) -> str:
    told = [
        f"{_NAMES.get(name, name)} {_value(change['before'])} → {_value(change['after'])}"
        for name, change in effect["fields"].items()
    ]
    return ", ".join(told) or "nothing that is not so already"


def _value(value: object) -> str:
    if value is None:
        return "none"
    text = str(value)
    if len(text) >= len("2026-12-01T") and text[4:5] == text[7:8] == "-" and text[10:11] == "T":
        return text[:10]
    return _quoted(text) if " " in text else text[:MAX_SHOWN]


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + '…'}”"
