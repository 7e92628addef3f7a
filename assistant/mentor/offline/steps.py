"""What comes next, answered from the state by one rule, each step with its reason.

overdue › due within a week › begun › the next module › other open tasks › a goal for which nothing is planned
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from assistant.mentor.offline.phrases import Phrases
from assistant.mentor.offline.reports import escape
from assistant.mentor.state import ModuleState, ReadState, TaskState

STEPS: Final = 3
"""One to take and two to have in mind: more would be a list of everything."""

SOON: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Step:
    """What there is to do, and why it comes now."""

    title: str
    reason: str

    @property
    def line(self) -> str:
        return f"**{escape(self.title)}** — {self.reason}"


def describe_next(state: ReadState, phrases: Phrases) -> str:
    """The next step with its reason, and up to two that follow; or that there is none."""
    steps = next_steps(state, phrases)
    if not steps:
        return phrases.all_done if state.module_count else phrases.nothing_planned
    first, *others = steps
    parts = [phrases.next_step.format(step=first.line)]
    if others:
        parts.append("\n".join([phrases.after_that, "", *(f"- {step.line}" for step in others)]))
    return "\n\n".join(parts)


def next_steps(state: ReadState, phrases: Phrases) -> list[Step]:
    """At most STEPS, the most pressing first; empty: everything that is known is done."""
    return [step for step, _ in zip(_steps(state, phrases), range(STEPS), strict=False)]


def _steps(state: ReadState, phrases: Phrases) -> Iterator[Step]:
    now = state.now or datetime.min.replace(tzinfo=UTC)
    pressing = [task for task in state.tasks if task.due_date and task.due_date < now + SOON]
    begun = [task for task in state.tasks if task.status == "in_progress" and task not in pressing]
    for task in sorted(pressing, key=lambda each: each.due_date or now):
        yield _dated(task, now, phrases)
    for module in state.modules:
        if 0 < module.completion_percentage < 100:
            yield _module(module, phrases.module_begun)
    for task in begun:
        yield Step(task.title, phrases.task_begun)
    for module in [each for each in state.modules if not each.completion_percentage][:1]:
        yield _module(module, phrases.module_next)
    for task in state.tasks:
        if task not in pressing and task not in begun:
            yield _dated(task, now, phrases) if task.due_date else Step(task.title, phrases.task_open)
    unplanned = [goal for goal in state.other_goals if not goal.planned]
    if state.goal and not state.module_count and not state.tasks:
        unplanned.insert(0, state.goal)
    for goal in unplanned:
        yield Step(goal.title, phrases.goal_unplanned)


def _dated(task: TaskState, now: datetime, phrases: Phrases) -> Step:
    assert task.due_date is not None, "only what has a date"
    sentence = phrases.overdue if task.due_date < now else phrases.due
    return Step(task.title, sentence.format(date=phrases.date(task.due_date.date())))


def _module(module: ModuleState, sentence: str) -> Step:
    return Step(module.title, sentence.format(place=module.place, percentage=module.completion_percentage))
