"""What people and mentor said to each other, without what the model was shown beside it."""

from collections.abc import Sequence
from typing import Literal

from assistant.mentor.briefing import read_turn
from assistant.mentor.claims.checking import is_correction
from assistant.mentor.events import Message


def spoken(history: Sequence[Message]) -> list[tuple[Literal["user", "assistant"], str]]:
    """Earlier questions and answers, oldest first: what a follow-up refers to."""
    said: list[tuple[Literal["user", "assistant"], str]] = []
    for message in history:
        if message["role"] == "user":
            turn = read_turn(message["content"])
            if turn is not None:
                said.append(("user", turn.question))
            continue
        told = (block for block in message["content"] if block.get("type") == "text" and not is_correction(block))
        text = "\n\n".join(block["text"] for block in told)
        if text:
            said.append(("assistant", text))
    return said
