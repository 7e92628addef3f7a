"""What the mentor proposes, asked in the terminal: yes, no, or yes with other values."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from rich.console import Console
from rich.markup import escape

from assistant.mentor.actions.service import Answer
from assistant.mentor.toolbox import WRITE_TOOLS

Ask = Callable[[str], str]
"""Reads a line after a prompt. Raises EOFError, KeyboardInterrupt."""

CHOICES: Final = "  [y]es, [n]o, [e]dit, Enter: later > "
SHOWN: Final = 60
"""Characters of a value that is shown to be edited."""


def ask_each(interrupts: Sequence[dict[str, Any]], ask: Ask, out: Console) -> list[Answer]:
    """The learner's word on each proposal; those that they leave for later are not in it."""
    answers = (_ask(interrupt, ask, out) for interrupt in interrupts)
    return [answer for answer in answers if answer is not None]


def _ask(interrupt: dict[str, Any], ask: Ask, out: Console) -> Answer | None:
    action_id = UUID(interrupt["id"])
    out.print(f"[bold]{escape(interrupt['message'])}[/bold]")
    while True:
        match ask(CHOICES).strip().lower():
            case "y" | "yes":
                return Answer(action_id, approved=True)
            case "n" | "no":
                return Answer(action_id, approved=False)
            case "e" | "edit":
                proposed = interrupt["metadata"]
                return Answer(
                    action_id, approved=True, arguments=_edit(proposed["tool"], proposed["arguments"], ask, out)
                )
            case "":
                return None


def _edit(tool: str, arguments: dict[str, Any], ask: Ask, out: Console) -> dict[str, Any]:
    """Each argument in turn but the one that names the row, which stays."""
    out.print("[dim]  Enter keeps a value, - removes it.[/dim]")
    edited = dict(arguments)
    for name, schema in WRITE_TOOLS[tool].input_schema["properties"].items():
        if name == WRITE_TOOLS[tool].target or schema.get("type") == "array":
            continue
        shown = str(edited.get(name, ""))
        text = ask(f"  {name} [{shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'}]: ").strip()
        if text == "-":
            edited.pop(name, None)
        elif text:
            edited[name] = text
    return edited
