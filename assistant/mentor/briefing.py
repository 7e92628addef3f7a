"""What the model is told in a turn, as text: the learner's state, numbered passages, the question. Written, and read.

    <state-0a1b2c3d> … </state-0a1b2c3d>
    <passages-0a1b2c3d>
    <passage-0a1b2c3d n="1" title="…" heading="…" page="3" author="other"> … </passage-0a1b2c3d>
    </passages-0a1b2c3d>
    <question-0a1b2c3d> … </question-0a1b2c3d>

Each of the three is a block of its own. The offline mentor reads them back; hosted models read them as they are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from assistant.knowledge.retrieval import Passage
from assistant.llm.events import Block
from assistant.mentor.delimiting import clean, clean_line, enclose, find_enclosed, read_enclosed

TITLE_CHARACTERS: Final = 120
"""Of a title in the state. Ids stand beside them, so nothing hangs on the rest."""

_OTHER_AUTHOR: Final = (' author="other"', '"author":"other"')
"""As passages say it, and as lists in JSON do; text cannot hold the second, since JSON escapes its quotes."""


@dataclass(frozen=True, slots=True)
class GoalState:
    title: str
    due_date: datetime | None


@dataclass(frozen=True, slots=True)
class ModuleState:
    id: UUID
    title: str
    completion_percentage: int
    """The learner's own."""


@dataclass(frozen=True, slots=True)
class TaskState:
    title: str
    status: str
    priority: str | None
    due_date: datetime | None
    module: str | None
    """The title of the module that it belongs to."""


@dataclass(frozen=True, slots=True)
class LearnerState:
    """One learner in one space, as the database showed it to them at `now`. Lists are bounded, counts are not."""

    now: datetime
    user_id: UUID | None
    space: str
    description: str | None
    goal: GoalState | None
    """None where it is another's: a space is shared, the goal behind it is not."""
    other_goals: Sequence[GoalState]
    modules: Sequence[ModuleState]
    module_count: int
    open_tasks: Sequence[TaskState]
    """The next due first."""
    open_task_count: int
    overdue_count: int
    last_activity: datetime | None
    can_write: bool
    """They may add and change what the space holds. Their own progress they may keep in any case."""
    mentor_config: Mapping[str, Any]
    ai_model: str | None
    language: str | None
    """The last two as in their preferences."""


def write_turn(
    state: LearnerState,
    passages: Sequence[Passage] | None,
    question: str,
    marker: str,
    language: str | None,
) -> list[Block]:
    """The blocks of a question. `passages` None: documents could not be searched. `language`: what the owner set."""
    if passages is None:
        shown = "The documents could not be searched just now."
    elif not passages:
        shown = "Nothing relevant was found in the space's documents."
    else:
        shown = write_passages(passages, marker, state.user_id)
    count = None if passages is None else len(passages)
    parts = [
        enclose("state", marker, "\n".join(_state_lines(state, marker))),
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
    """Whether `text` shows a passage, or the title of a document, of another. Errs on the side of yes."""
    return any(sign in text for sign in _OTHER_AUTHOR)


def _state_lines(state: LearnerState, marker: str) -> Iterator[str]:
    def short(text: str) -> str:
        return clean_line(text, marker, TITLE_CHARACTERS)

    yield f"Now: {state.now:%Y-%m-%d %H:%M} UTC, {state.now:%A}"
    if state.language and state.language.lower() != "en":  # what everybody has who has not chosen
        yield f"Preferred language: {clean_line(state.language, marker, 40)}"
    yield f"Space: {short(state.space)}"
    if state.description:
        yield f"About it: {clean_line(state.description, marker, 4 * TITLE_CHARACTERS)}"
    if state.goal:
        yield f"Its goal: {short(state.goal.title)}{_due(state.goal.due_date, state.now)}"
    if state.other_goals:
        yield "The learner's other goals:"
        yield from (f"- {short(goal.title)}{_due(goal.due_date, state.now)}" for goal in state.other_goals)
    if state.modules:
        yield f"Modules, with their id and this learner's progress{_part_of(state.modules, state.module_count)}:"
        yield from (f"- {each.id} · {each.completion_percentage} % · {short(each.title)}" for each in state.modules)
    else:
        yield "Modules: none"
    if state.open_tasks:
        overdue = f", {state.overdue_count} of all are overdue" if state.overdue_count else ""
        yield f"Open tasks, the next due first{_part_of(state.open_tasks, state.open_task_count)}{overdue}:"
        for task in state.open_tasks:
            module = f" · in {short(task.module)}" if task.module else ""
            priority = f" · {task.priority}" if task.priority else ""
            begun = " · in progress" if task.status == "in_progress" else ""
            yield f"- {short(task.title)}{_due(task.due_date, state.now)}{priority}{begun}{module}"
    else:
        yield "Open tasks: none"
    if state.last_activity:
        yield f"Last worked on a module: {state.last_activity:%Y-%m-%d}"


def _due(due: datetime | None, now: datetime) -> str:
    return "" if due is None else f" · due {due:%Y-%m-%d}{', overdue' if due < now else ''}"


def _part_of(shown: Sequence[object], count: int) -> str:
    return f" ({len(shown)} of {count} shown)" if len(shown) < count else ""


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
    modules: list[ModuleState]
    module_count: int
    """Of the space, which may have more than are shown."""
    today: str | None
    """As 2026-11-24."""
    marker: str = ""
    preferred_language: str | None = None
    """The learner's own, for what does not say which language it is in."""


_MODULE_LINE: Final = re.compile(
    r"^- ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) · (\d{1,3}) % · (.*)$", re.MULTILINE
)
_MODULE_COUNT: Final = re.compile(r"^Modules, with [^(\n]* \(\d+ of (\d+) shown\):$", re.MULTILINE)
_PREFERRED_LINE: Final = re.compile(r"^Preferred language: ([A-Za-z0-9-]+)$", re.MULTILINE)
_NOW_LINE: Final = re.compile(r"^Now: (\d{4}-\d\d-\d\d) ")


def read_turn(content: str | Sequence[Mapping[str, Any]]) -> ReadTurn | None:
    """The turn that a message's content was written for; None if it holds no question."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [str(block["text"]) for block in blocks if block.get("type") == "text"]
    found = {part.tag: part for part in map(read_enclosed, texts) if part}
    question = found.get("question")
    if question is None:
        return None
    state = found["state"].text if "state" in found else ""
    passages = found.get("passages")
    now, preferred = _NOW_LINE.match(state), _PREFERRED_LINE.search(state)
    modules = [ModuleState(UUID(id_), title, int(done)) for id_, done, title in _MODULE_LINE.findall(state)]
    count = _MODULE_COUNT.search(state)
    return ReadTurn(
        question=question.text,
        language=question.attributes.get("language"),
        passages=_read_passages(passages.text, question.marker)
        if passages and "count" in passages.attributes
        else None,
        modules=modules,
        module_count=int(count[1]) if count else len(modules),
        today=now and now[1],
        marker=question.marker,
        preferred_language=preferred and preferred[1],
    )


def _read_passages(text: str, marker: str) -> list[ShownPassage]:
    return [
        ShownPassage(int(found.attributes["n"]), found.attributes["title"], found.attributes.get("heading"), found.text)
        for found in find_enclosed("passage", marker, text)
    ]
