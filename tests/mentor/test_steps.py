"""What the offline mentor says comes next: from the state, by one rule, with reasons."""

from datetime import timedelta
from uuid import UUID

import pytest

from assistant.llm.events import Completed, ModelRequest
from assistant.mentor.context import build_question
from assistant.mentor.offline import OfflineModel
from assistant.mentor.offline.phrases import PHRASES
from assistant.mentor.offline.steps import next_steps
from assistant.mentor.state import GoalState, LearnerState, ModuleState, TaskState, read_state, write_state
from tests.fixtures.briefing import MARKER, NOW, learner_state

BEGUN = ModuleState(UUID(int=1), "Knots", 40, 1)
NEW = ModuleState(UUID(int=2), "Wind", 0, 2)
DONE = ModuleState(UUID(int=3), "Sails", 100, 3)
LATE = TaskState(UUID(int=4), "Buy *rope*", due_date=NOW - timedelta(days=2))
SOON = TaskState(UUID(int=5), "Tie knots", due_date=NOW + timedelta(days=6))
LATER = TaskState(UUID(int=6), "Rent a boat", due_date=NOW + timedelta(days=30))
STARTED = TaskState(UUID(int=7), "Read", "in_progress")
OPEN = TaskState(UUID(int=8), "Rest")


def standing(*tasks: TaskState, modules: tuple[ModuleState, ...] = (), goal: bool = True) -> LearnerState:
    return learner_state(
        open_tasks=tasks,
        open_task_count=len(tasks),
        modules=modules,
        goal=GoalState(UUID(int=9), "Cross the bay") if goal else None,
    )


async def answer(question: str, state: LearnerState) -> str:
    blocks = build_question(state, [], question, MARKER)
    request = ModelRequest("offline", [], [{"role": "user", "content": blocks}], [], 1000)
    events = [event async for event in OfflineModel().stream(request)]
    assert isinstance(events[-1], Completed)
    return str(events[-1].blocks[0]["text"])


@pytest.mark.parametrize(
    ("state", "titles"),
    [
        (standing(OPEN, LATER, STARTED, SOON, LATE, modules=(NEW, BEGUN, DONE)), ["Buy *rope*", "Tie knots", "Knots"]),
        (standing(LATER, STARTED, OPEN, modules=(BEGUN, NEW)), ["Knots", "Read", "Wind"]),
        (standing(LATER, OPEN, modules=(NEW, DONE)), ["Wind", "Rent a boat", "Rest"]),
        (standing(OPEN), ["Rest"]),
        (standing(), ["Cross the bay"]),
        (standing(modules=(DONE,)), []),
        (standing(goal=False), []),
    ],
)
def test_the_order_is_by_what_presses(state: LearnerState, titles: list[str]) -> None:
    steps = next_steps(read_state(write_state(state, MARKER)), PHRASES["en"])
    assert [step.title for step in steps] == titles


def test_a_goal_of_the_learner_without_a_plan_is_a_step() -> None:
    state = learner_state(modules=[DONE], other_goals=[GoalState(UUID(int=8), "Cook", planned=False)], goal_count=1)
    [step] = next_steps(read_state(write_state(state, MARKER)), PHRASES["en"])
    assert (step.title, step.reason) == ("Cook", PHRASES["en"].goal_unplanned)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What next?", "en"),
        ("What should I do next?", "en"),
        ("What's my next step?", "en"),
        ("Where do I start?", "en"),
        ("Was kommt als Nächstes?", "de"),
        ("Was soll ich jetzt tun?", "de"),
        ("Wie geht es weiter?", "de"),
        ("¿Qué hago ahora?", "es"),
        ("¿Cuál es mi siguiente paso?", "es"),
        ("Que dois-je faire maintenant ?", "fr"),
        ("Quelle est la prochaine étape ?", "fr"),
    ],
)
async def test_what_next_is_answered_in_the_languages_of_the_learner(question: str, language: str) -> None:
    phrases = PHRASES[language]
    said = await answer(question, standing(LATE, modules=(BEGUN, NEW)))
    overdue = phrases.overdue.format(date=phrases.date(NOW.date() - timedelta(2)))
    first = phrases.next_step.format(step=f"**Buy \\*rope\\*** — {overdue}")
    assert said == "\n".join(
        [
            first,
            "",
            phrases.after_that,
            "",
            f"- **Knots** — {phrases.module_begun.format(place=1, percentage=40)}",
            f"- **Wind** — {phrases.module_next.format(place=2)}",
        ]
    )


async def test_where_nothing_is_left_or_planned_that_is_said() -> None:
    assert await answer("What next?", standing(modules=(DONE,))) == PHRASES["en"].all_done
    assert await answer("Und jetzt?", standing(goal=False)) == PHRASES["de"].nothing_planned


@pytest.mark.parametrize(
    "question", ["What comes next in the bowline after the loop?", "What should I do if it slips?"]
)
async def test_a_question_about_something_is_no_plan(question: str) -> None:
    assert await answer(question, standing(LATE)) == PHRASES["en"].nothing
