"""The learner's state: as the database has it, as a model is told it, as it is read back."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from assistant.db.session import Database
from assistant.errors import ForbiddenError, NotFoundError
from assistant.llm.tokens import text_tokens
from assistant.mentor.policies import STATE_TOKENS
from assistant.mentor.state import (
    GoalState,
    LearnerState,
    ModuleState,
    TaskState,
    load_learner_state,
    read_state,
    write_state,
)
from tests.fixtures.briefing import MARKER, NOW, learner_state
from tests.fixtures.database import MakePerson, Person, join_space, make_user


def told(**changes: Any) -> str:
    return write_state(learner_state(**changes), MARKER)


def test_tasks_and_goals_are_told_with_their_ids_and_what_is_late() -> None:
    state = told(
        goal=GoalState(UUID(int=9), "Cross the bay", NOW + timedelta(days=9)),
        other_goals=[GoalState(UUID(int=8), "Learn to cook", None, planned=False)],
        goal_count=3,
        open_tasks=[
            TaskState(UUID(int=4), "Tie knots", "in_progress", "high", NOW - timedelta(days=2), 1),
            TaskState(UUID(int=5), "Buy\n  rope: two"),
        ],
        open_task_count=14,
        overdue_count=3,
        last_activity=NOW - timedelta(days=1),
    )
    assert f"Its goal, the learner's own ({UUID(int=9)}) · due 2026-12-03: Cross the bay\n" in state
    assert f"The learner's other goals (1 of 3 shown):\n- {UUID(int=8)} · nothing planned yet: Learn to cook" in state
    assert "Open tasks, the next due first, 3 of all overdue (2 of 14 shown):\n" in state
    assert f"- {UUID(int=4)} · overdue since 2026-11-22 · high · in progress · module 1: Tie knots\n" in state
    assert f"- {UUID(int=5)}: Buy rope: two\n" in state
    assert "Last worked on a module: 2026-11-23" in state


def test_a_state_with_nothing_in_it_is_told_as_such() -> None:
    state = told(goal=None, modules=[], module_count=0)
    assert state.endswith("Space: Sailing\nOpen tasks: none\nModules: none")


def test_what_is_told_can_be_read_back() -> None:
    until, since = NOW.replace(hour=23, minute=59, second=59, microsecond=999999), NOW.replace(hour=0, minute=0)
    state = learner_state(
        language="de",
        goal=GoalState(UUID(int=9), "Cross: the bay", until),
        other_goals=[GoalState(UUID(int=8), "Cook", planned=False)],
        goal_count=1,
        open_tasks=[
            TaskState(UUID(int=4), " · high: x", "in_progress", "urgent", since, 2),
            TaskState(UUID(int=5), "- 1 · high", due_date=until),
        ],
        open_task_count=2,
    )
    read = read_state(write_state(state, MARKER))
    assert (read.now, read.preferred_language, read.goal) == (NOW, "de", state.goal)
    assert (read.other_goals, read.modules) == (state.other_goals, state.modules)
    assert read.tasks == [replace(state.open_tasks[0], title="· high: x"), state.open_tasks[1]]
    assert (read.module_count, read.completion_percentage) == (2, 20)
    assert read_state("") == read_state("something else")


def test_within_the_budget_the_most_useful_is_told_and_the_rest_counted() -> None:
    long = "long title " * 20
    state = learner_state(
        description=long * 10,
        other_goals=[GoalState(UUID(int=100 + n), long) for n in range(10)],
        goal_count=25,
        modules=[ModuleState(UUID(int=200 + n), long, 50 if n < 2 else 0, 40 - n) for n in range(40)],
        open_tasks=[TaskState(UUID(int=300 + n), long, due_date=NOW) for n in range(30)],
        open_task_count=500,
    )
    text = write_state(state, MARKER)
    read = read_state(text)
    assert STATE_TOKENS * 0.8 < text_tokens(text) < STATE_TOKENS * 1.1
    assert [task.id.int for task in read.tasks] == list(range(300, 300 + len(read.tasks)))
    assert len(read.tasks) > 5
    assert [module.place for module in read.modules] == sorted(40 - n for n in range(len(read.modules)))
    assert f"({len(read.tasks)} of 500 shown)" in text
    assert f"({len(read.modules)} of 40 shown)" in text
    assert f"({len(read.other_goals)} of 25 shown)" in text


async def state_of(database: Database, person: Person, space: Person) -> LearnerState:
    return await load_learner_state(database, person.principal, space.space_id)


async def furnish(database: Database, person: Person) -> None:
    """Two modules, one half done, and three tasks, one of them done and one late."""
    async with database.transaction(person.principal) as connection:
        run = connection.exec_driver_sql
        await run(
            "insert into modules (space_id, title, content_type, order_index) values "
            "(%s, 'Wind', 'text', 2), (%s, 'Knots', 'text', 1)",
            (person.space_id, person.space_id),
        )
        await run(
            "insert into module_progress (module_id, user_id, completion_percentage) "
            "select id, %s, 50 from modules where space_id = %s and title = 'Knots'",
            (person.id, person.space_id),
        )
        await run(
            """insert into tasks (space_id, title, status, due_date, priority, module_id) values
               (%s, 'No day', 'pending', null, 'low', null), (%s, 'Done', 'completed', now(), 'low', null),
               (%s, 'Late', 'in_progress', now() - interval '1 day', 'high',
                (select id from modules where space_id = %s and title = 'Knots'))""",
            (person.space_id,) * 4,
        )
        await run(
            "insert into goals (user_id, title, status) values (%s, 'Cook', 'active'), (%s, 'Old', 'archived')",
            (person.id, person.id),
        )


async def test_the_state_is_the_learners_own(database: Database, make_person: MakePerson) -> None:
    person = await make_person(config='{"name": "Ada"}')
    await furnish(database, person)

    state = await state_of(database, person, person)

    assert (state.user_id, state.space, state.goal) == (
        person.id,
        "Sailing",
        GoalState(person.goal_id, "Learn to sail"),
    )
    assert [goal.title for goal in state.other_goals] == ["Cook"]
    assert not state.other_goals[0].planned
    assert [(each.title, each.completion_percentage, each.place) for each in state.modules] == [
        ("Knots", 50, 1),
        ("Wind", 0, 2),
    ]
    assert [(each.title, each.status, each.priority, each.module) for each in state.open_tasks] == [
        ("Late", "in_progress", "high", 1),
        ("No day", "pending", "low", None),
    ]
    assert (state.module_count, state.open_task_count, state.overdue_count) == (2, 2, 1)
    assert (state.goal_count, state.completed_count, state.completion_percentage) == (1, 0, 25)
    assert not state.foreign
    assert state.last_activity is not None
    assert state.can_write
    assert state.mentor_config == {"name": "Ada"}
    assert (state.ai_model, state.language) == ("claude-3-haiku", "en")


async def test_a_collaborator_sees_the_space_but_not_its_owner(database: Database, make_person: MakePerson) -> None:
    owner, guest = await make_person(visibility="shared"), await make_person()
    await furnish(database, owner)
    await join_space(database, owner.space_id, guest.id, "viewer")

    state = await state_of(database, guest, owner)

    assert state.goal is None
    assert [goal.title for goal in state.other_goals] == ["Learn to sail"]
    assert [(each.title, each.completion_percentage) for each in state.modules] == [("Knots", 0), ("Wind", 0)]
    assert state.last_activity is None
    assert not state.can_write


@pytest.mark.parametrize(
    ("role", "accepted", "visibility", "can_write"),
    [
        ("editor", True, "shared", True),
        ("admin", True, "public", True),
        ("viewer", True, "public", False),
        ("editor", False, "public", False),
    ],
)
async def test_who_may_write_is_who_the_database_lets(
    database: Database, make_person: MakePerson, role: str, accepted: bool, visibility: str, can_write: bool
) -> None:
    owner, guest = await make_person(visibility=visibility), await make_person()
    await join_space(database, owner.space_id, guest.id, role, accepted=accepted)

    assert (await state_of(database, guest, owner)).can_write is can_write


async def test_a_space_that_is_hidden_is_not_there(database: Database, make_person: MakePerson) -> None:
    owner = await make_person()
    stranger, _ = await make_user(database)

    with pytest.raises(NotFoundError):
        await state_of(database, replace(owner, principal=replace(owner.principal, user_id=stranger)), owner)


async def test_what_is_begun_comes_first_and_what_is_done_last(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    async with database.transaction(person.principal) as connection:
        run = connection.exec_driver_sql
        await run(
            "insert into modules (space_id, title, content_type, order_index) "
            "select %s, 'Part ' || n, 'text', n from generate_series(1, 100) n",
            (person.space_id,),
        )
        for title, done in (("Part 1", 100), ("Part 60", 30), ("Part 90", 80)):  # the last is the latest
            await run(
                "insert into module_progress (module_id, user_id, completion_percentage) "
                "select id, %s, %s from modules where space_id = %s and title = %s",
                (person.id, done, person.space_id, title),
            )
        await run(
            "insert into tasks (space_id, title) select %s, repeat('long ', 50) from generate_series(1, 100)",
            (person.space_id,),
        )

    state = await state_of(database, person, person)

    assert [each.title for each in state.modules[:2]] in (["Part 90", "Part 60"], ["Part 60", "Part 90"])
    assert [each.place for each in state.modules[2:5]] == [2, 3, 4]
    assert (len(state.modules), state.module_count, state.open_task_count) == (40, 100, 100)
    assert "Part 1" not in [each.title for each in state.modules]


async def last_change(database: Database, owner: Person) -> datetime:
    async with database.transaction(owner.principal) as connection:
        rows = await connection.exec_driver_sql("select updated_at from spaces where id = %s", (owner.space_id,))
        found: datetime = rows.scalar_one()
        return found


@pytest.mark.parametrize(
    ("role", "accepted", "foreign"),
    [("editor", True, True), ("admin", True, True), ("viewer", True, False), ("editor", False, False)],
)
async def test_the_text_of_a_space_is_foreign_once_others_could_write_it(
    database: Database, make_person: MakePerson, role: str, accepted: bool, foreign: bool
) -> None:
    owner, guest = await make_person(visibility="shared"), await make_person()
    assert not (await state_of(database, owner, owner)).foreign
    changed = await last_change(database, owner)
    await join_space(database, owner.space_id, guest.id, role, accepted=accepted)
    assert await last_change(database, owner) == changed
    assert (await state_of(database, owner, owner)).foreign is foreign
    if accepted:
        assert (await state_of(database, guest, owner)).foreign
    async with database.transaction(owner.principal) as connection:
        await connection.exec_driver_sql("delete from space_collaborators where space_id = %s", (owner.space_id,))
    assert (await state_of(database, owner, owner)).foreign is foreign, "what they wrote stays when they leave"


async def test_nobody_can_say_that_a_space_had_no_editors(database: Database, make_person: MakePerson) -> None:
    owner = await make_person()
    with pytest.raises(ForbiddenError):
        async with database.transaction(owner.principal) as connection:
            await connection.exec_driver_sql("update spaces set had_editors = false where id = %s", (owner.space_id,))


async def test_a_viewer_who_is_made_an_editor_counts_too(database: Database, make_person: MakePerson) -> None:
    owner, guest = await make_person(visibility="shared"), await make_person()
    await join_space(database, owner.space_id, guest.id, "viewer")
    async with database.transaction(owner.principal) as connection:
        await connection.exec_driver_sql(
            "update space_collaborators set role = 'editor' where user_id = %s", (guest.id,)
        )
    assert (await state_of(database, owner, owner)).foreign
