"""What the model is told in a turn, as text: the learner's state, numbered passages, the question. Written, and read.

    <state-0a1b2c3d author="other"> … </state-0a1b2c3d>
    <passages-0a1b2c3d>
    <passage-0a1b2c3d n="1" title="…" heading="…" page="3" author="other"> … </passage-0a1b2c3d>
    </passages-0a1b2c3d>
    <question-0a1b2c3d> … </question-0a1b2c3d>

What others wrote, or may have written, says so. Each of the three is a block of its own. The offline mentor reads them
back; hosted models read them as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from assistant.knowledge.retrieval import Passage
from assistant.llm.events import Block
from assistant.mentor.delimiting import clean, clean_line, enclose, find_enclosed, read_enclosed
from assistant.mentor.state import TITLE_CHARACTERS, LearnerState, ReadState, read_state, write_state

_OTHER_AUTHOR: Final = (' author="other"', '"author":"other"')
"""As tags say it, and as lists in JSON do; text cannot hold the second, since JSON escapes its quotes."""


def write_turn(
    state: LearnerState,
    passages: Sequence[Passage] | None,
    question: str,
    marker: str,
    language: str | None,
    *,
    searched: bool = True,
) -> list[Block]:
    """The blocks of a question. `passages` None: documents could not be searched. `language`: what the owner set.

    `searched` False: they were not, since the question asks for nothing that a document could say.
    """
    if not searched:
        shown = "The documents were not searched for this."
    elif passages is None:
        shown = "The documents could not be searched just now."
    elif not passages:
        shown = "Nothing relevant was found in the space's documents."
    else:
        shown = write_passages(passages, marker, state.user_id)
    count = None if passages is None else len(passages)
    parts = [
        enclose("state", marker, write_state(state, marker), author="other" if state.foreign else None),
        enclose("passages", marker, shown, count=count),
        enclose("question", marker, clean(question, marker), language=language and clean_line(language, marker, 40)),
    ]
    return [{"type": "text", "text": part} for part in parts]


def write_passages(passages: Sequence[Passage], marker: str, learner: UUID | None, first: int = 1) -> str:
    """Passages as the model sees them, numbered from `first`."""
    return "\n".join(
        enclose(
            "passage",
            marker,
            clean(passage.text, marker).strip(),
            n=number,
            title=clean_line(passage.title, marker, TITLE_CHARACTERS),
            heading=passage.heading and clean_line(passage.heading, marker, 2 * TITLE_CHARACTERS),
            page=passage.page,
            author=None if is_own(passage.created_by, learner) else "other",
        )
        for number, passage in enumerate(passages, first)
    )


def is_own(created_by: UUID | None, learner: UUID | None) -> bool:
    """Whether the learner wrote it. A document of unknown origin is another's."""
    return learner is not None and created_by == learner


def holds_foreign_text(text: str) -> bool:
    """Whether `text` shows a passage, a title or a state that another wrote, or may have. Errs on the side of yes."""
    return any(sign in text for sign in _OTHER_AUTHOR)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage as it was shown."""

    number: int
    title: str
    heading: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """What stands in the blocks of a question."""

    question: str
    language: str | None
    passages: list[ShownPassage] | None
    """None: they could not be searched."""
    state: ReadState
    marker: str = ""


def read_turn(content: str | Sequence[Mapping[str, Any]]) -> ReadTurn | None:
    """The turn that a message's content was written for; None if it holds no question."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [str(block["text"]) for block in blocks if block.get("type") == "text"]
    found = {part.tag: part for part in map(read_enclosed, texts) if part}
    question = found.get("question")
    if question is None:
        return None
    passages = found.get("passages")
    return ReadTurn(
        question=question.text,
        language=question.attributes.get("language"),
        passages=_read_passages(passages.text, question.marker)
        if passages and "count" in passages.attributes
        else None,
        state=read_state(found["state"].text if "state" in found else ""),
        marker=question.marker,
    )


def _read_passages(text: str, marker: str) -> list[ShownPassage]:
    return [
        ShownPassage(int(found.attributes["n"]), found.attributes["title"], found.attributes.get("heading"), found.text)
        for found in find_enclosed("passage", marker, text)
    ]
