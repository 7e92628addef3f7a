"""The learner's state in a space: read from the database, told to the model within a budget, read back.

    Its goal (id) · due 2026-12-01: title
    - id · due 2026-12-03: title                          another goal
    - 2 · id · 40 %: title                                a module, by its place in the space
    - id · overdue since 2026-11-22 · high · in progress · module 2: title        a task

A title comes last, behind the first colon, so that nothing in it can pass for one of the fields.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import chain, zip_longest
from typing import Any, Final
from uuid import UUID

import msgspec

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.llm.tokens import text_tokens
from assistant.mentor.delimiting import clean_line
from assistant.mentor.policies import STATE_TOKENS

TITLE_CHARACTERS: Final = 120
"""Of a title in the state. Ids stand beside them, so nothing hangs on the rest."""


@dataclass(frozen=True, slots=True)
class GoalState:
    id: UUID
    title: str
    due_date: datetime | None = None
    planned: bool = True
    """Some space of it has modules or tasks."""


@dataclass(frozen=True, slots=True)
class ModuleState:
    id: UUID
    title: str
    completion_percentage: int
    """The learner's own."""
    place: int
    """In the space, from 1."""


@dataclass(frozen=True, slots=True)
class TaskState:
    id: UUID
    title: str
    status: str = "pending"
    priority: str | None = None
    due_date: datetime | None = None
    module: int | None = None
    """The place of the module that it belongs to."""


@dataclass(frozen=True, slots=True)
class LearnerState:
    """One learner in one space, as the database showed it to them at `now`. Lists are bounded, counts are not."""

    now: datetime
    user_id: UUID | None
    space: str
    description: str | None
    foreign: bool
    """Others can write, or could, what the space says of itself, its modules and its tasks."""
    goal: GoalState | None
    """None where it is another's: a space is shared, the goal behind it is not."""
    other_goals: Sequence[GoalState]
    """Active ones, the next due first."""
    goal_count: int
    """Of the others."""
    modules: Sequence[ModuleState]
    """What is begun first, the latest before others; then what comes next; then what is done."""
    module_count: int
    completed_count: int
    completion_percentage: int
    """Of all modules together."""
    open_tasks: Sequence[TaskState]
    """The next due first."""
    open_task_count: int
    overdue_count: int
    last_activity: datetime | None
    """When the learner last worked on a module here."""
    can_write: bool
    """They may add and change what the space holds. Their own progress they may keep in any case."""
    mentor_config: dict[str, Any]
    ai_model: str | None
    language: str | None
    """The last two as in their preferences."""


# Everything in one statement: it is read before each answer, and nothing of it may be from another moment.
_LEARNER_STATE: Final = """
with me as materialized (select auth.uid() as id),
progress as materialized (
    select m.id, m.title, row_number() over (order by m.order_index, m.id) as place,
           coalesce(p.completion_percentage, 0) as completion_percentage, p.last_interaction_at
    from public.modules m
    left join public.module_progress p on p.module_id = m.id and p.user_id = (select id from me)
    where m.space_id = %(space)s)
select to_json(state) from (
select
    statement_timestamp() as now,
    me.id as user_id,
    s.title as space,
    left(s.description, 1000) as description,
    s.user_id is distinct from me.id or s.had_editors as foreign,
    s.ai_mentor_config as mentor_config,
    (s.user_id = me.id or exists (
        select from public.space_collaborators c
        where c.space_id = s.id and c.user_id = me.id and c.accepted_at is not null
          and c.role in ('editor', 'admin') and s.visibility <> 'private')) as can_write,
    (select jsonb_build_object('id', g.id, 'title', g.title, 'due_date', g.due_date)
        from public.goals g where g.id = s.goal_id) as goal,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select g.id, g.title, g.due_date, exists (
            select from public.spaces own
            where own.goal_id = g.id and (exists (select from public.modules m where m.space_id = own.id)
                or exists (select from public.tasks t where t.space_id = own.id))) as planned
        from public.goals g
        where g.user_id = me.id and g.status = 'active' and g.id <> s.goal_id
        order by g.due_date, g.created_at desc, g.id limit 10) o) as other_goals,
    (select count(*) from public.goals g
        where g.user_id = me.id and g.status = 'active' and g.id <> s.goal_id) as goal_count,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select p.id, p.title, p.completion_percentage, p.place from progress p
        order by case when p.completion_percentage = 0 then 1 when p.completion_percentage = 100 then 2 else 0 end,
                 case when p.completion_percentage between 1 and 99 then p.last_interaction_at end desc nulls last,
                 p.place
        limit 40) o) as modules,
    (select count(*) from progress) as module_count,
    (select count(*) from progress p where p.completion_percentage = 100) as completed_count,
    (select coalesce(floor(avg(p.completion_percentage)), 0) from progress p) as completion_percentage,
    (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
        select t.id, t.title, t.status, t.priority, t.due_date, p.place as module
        from (
            select * from public.tasks t
            where t.space_id = s.id and t.status in ('pending', 'in_progress')
            order by t.due_date, t.status, t.created_at, t.id limit 30) t
        left join progress p on p.id = t.module_id
        order by t.due_date, t.status, t.created_at, t.id) o) as open_tasks,
    counted.open_task_count,
    counted.overdue_count,
    (select max(p.last_interaction_at) from progress p) as last_activity,
    u.ai_model,
    u.language
from public.spaces s
cross join me
left join public.user_preferences u on u.user_id = me.id
cross join lateral (
    select count(*) as open_task_count,
           count(*) filter (where t.due_date < statement_timestamp()) as overdue_count
    from public.tasks t where t.space_id = s.id and t.status in ('pending', 'in_progress')) counted
where s.id = %(space)s) state
"""


async def load_learner_state(database: Database, principal: Principal, space_id: UUID) -> LearnerState:
    """The caller's state in this space. Raises NotFoundError where they may not see it."""
    rows = await database.fetch(principal, _LEARNER_STATE, {"space": space_id})
    if not rows:
        raise NotFoundError("There is no such space.")
    return msgspec.convert(rows[0][0], LearnerState)


def write_state(state: LearnerState, marker: str) -> str:
    """The state as a model is told it, within STATE_TOKENS: of each list the most useful, the rest counted."""
    tasks = [_task_line(each, state.now, marker) for each in state.open_tasks]
    modules = [_module_line(each, marker) for each in state.modules]
    goals = [_goal_line(each, state.now, marker) for each in state.other_goals]
    facts = "\n".join(_facts(state, marker))
    shown = _fitting(chain.from_iterable(zip_longest(tasks, modules, goals)), STATE_TOKENS - text_tokens(facts))
    by_place = sorted(zip(state.modules, modules, strict=True), key=lambda pair: pair[0].place)
    lists = (
        (_tasks_head(state), [line for line in tasks if line in shown], state.open_task_count),
        (_modules_head(state), [line for _, line in by_place if line in shown], state.module_count),
        ("The learner's other goals", [line for line in goals if line in shown], state.goal_count),
    )
    parts = [facts]
    for head, lines, count in lists:
        if count:
            parts += [f"{head}{_part_of(len(lines), count)}:", *lines]
        elif head != lists[2][0]:
            parts.append(f"{head}: none")
    return "\n".join(parts)


def _facts(state: LearnerState, marker: str) -> Iterator[str]:
    yield f"Now: {state.now:%Y-%m-%d %H:%M} UTC, {state.now:%A}"
    if state.language and state.language.lower() != "en":  # what everybody has who has not chosen
        yield f"Preferred language: {clean_line(state.language, marker, 40)}"
    yield f"Space: {_short(state.space, marker)}"
    if state.description:
        yield f"About it: {clean_line(state.description, marker, 4 * TITLE_CHARACTERS)}"
    if state.goal:
        due = _due(state.goal.due_date, state.now)
        yield f"Its goal, the learner's own ({state.goal.id}){due}: {_short(state.goal.title, marker)}"
    if state.last_activity:
        yield f"Last worked on a module: {state.last_activity:%Y-%m-%d}"


def _fitting(lines: Iterator[str | None], budget: int) -> set[str]:
    """The first of `lines` that fit. Each holds an id, so no two are the same."""
    shown = set()
    for line in lines:
        if line is None:
            continue
        budget -= text_tokens(line) + 1
        if budget < 0:
            break
        shown.add(line)
    return shown


def _tasks_head(state: LearnerState) -> str:
    overdue = f", {state.overdue_count} of all overdue" if state.overdue_count else ""
    return f"Open tasks, the next due first{overdue}" if state.open_task_count else "Open tasks"


def _modules_head(state: LearnerState) -> str:
    done = f"{state.completed_count} of {state.module_count} completed, {state.completion_percentage} % in all"
    return f"Modules, with number, id and this learner's progress, {done}" if state.module_count else "Modules"


def _part_of(shown: int, count: int) -> str:
    return f" ({shown} of {count} shown)" if shown < count else ""


def _task_line(task: TaskState, now: datetime, marker: str) -> str:
    fields = [
        f"{task.id}{_due(task.due_date, now)}",
        task.priority,
        "in progress" if task.status == "in_progress" else None,
        f"module {task.module}" if task.module else None,
    ]
    return f"- {' · '.join(filter(None, fields))}: {_short(task.title, marker)}"


def _module_line(module: ModuleState, marker: str) -> str:
    return f"- {module.place} · {module.id} · {module.completion_percentage} %: {_short(module.title, marker)}"


def _goal_line(goal: GoalState, now: datetime, marker: str) -> str:
    plan = "" if goal.planned else " · nothing planned yet"
    return f"- {goal.id}{_due(goal.due_date, now)}{plan}: {_short(goal.title, marker)}"


def _due(due: datetime | None, now: datetime) -> str:
    return "" if due is None else f" · {'overdue since' if due < now else 'due'} {due:%Y-%m-%d}"


def _short(text: str, marker: str) -> str:
    return clean_line(text, marker, TITLE_CHARACTERS)


@dataclass(frozen=True, slots=True)
class ReadState:
    """What a state says to whoever reads it. Of lists there may be more than is shown."""

    now: datetime | None = None
    preferred_language: str | None = None
    """The learner's own, for what does not say which language it is in."""
    goal: GoalState | None = None
    other_goals: Sequence[GoalState] = ()
    modules: Sequence[ModuleState] = ()
    """By their places."""
    module_count: int = 0
    completion_percentage: int = 0
    """Of all modules together."""
    tasks: Sequence[TaskState] = ()
    """Open ones, the next due first. One that is due has until the end of that day, one that is overdue had its
    beginning."""


_ID: Final = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_DUE: Final = r"(?: · (due|overdue since) (\d{4}-\d\d-\d\d))?"
_NOW_LINE: Final = re.compile(r"^Now: (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", re.MULTILINE)
_PREFERRED_LINE: Final = re.compile(r"^Preferred language: ([A-Za-z0-9-]+)$", re.MULTILINE)
_GOAL: Final = re.compile(rf"^Its goal, the learner's own \({_ID}\){_DUE}: (.*)$", re.MULTILINE)
_OTHER_GOAL: Final = re.compile(rf"- {_ID}{_DUE}( · nothing planned yet)?: (.*)")
_MODULES: Final = re.compile(r"^Modules, [^(\n]*, \d+ of (\d+) completed, (\d+) % in all", re.MULTILINE)
_MODULE: Final = re.compile(rf"^- (\d+) · {_ID} · (\d{{1,3}}) %: (.*)$", re.MULTILINE)
_TASK: Final = re.compile(rf"- {_ID}{_DUE}(?: · (low|medium|high|urgent))?( · in progress)?(?: · module (\d+))?: (.*)")
_GOALS_HEAD: Final = "\nThe learner's other goals"


def read_state(text: str) -> ReadState:
    """What `write_state` wrote, as far as it can be read."""
    rest, _, goals = text.partition(_GOALS_HEAD)
    now, preferred, goal, totals = (pattern.search(text) for pattern in (_NOW_LINE, _PREFERRED_LINE, _GOAL, _MODULES))
    return ReadState(
        now=now and datetime.strptime(now[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC),
        preferred_language=preferred and preferred[1],
        goal=goal and GoalState(UUID(goal[1]), goal[4], _read_due(goal[2], goal[3])),
        other_goals=[
            GoalState(UUID(found[1]), found[5], _read_due(found[2], found[3]), planned=not found[4])
            for found in filter(None, map(_OTHER_GOAL.fullmatch, goals.split("\n")))
        ],
        modules=[
            ModuleState(UUID(id_), title, int(done), int(place)) for place, id_, done, title in _MODULE.findall(rest)
        ],
        module_count=int(totals[1]) if totals else 0,
        completion_percentage=int(totals[2]) if totals else 0,
        tasks=[
            TaskState(
                UUID(found[1]),
                found[7],
                "in_progress" if found[5] else "pending",
                found[4],
                _read_due(found[2], found[3]),
                int(found[6]) if found[6] else None,
            )
            for found in filter(None, map(_TASK.fullmatch, rest.split("\n")))
        ],
    )


def _read_due(word: str | None, day: str | None) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(date.fromisoformat(day), time.max if word == "due" else time.min, UTC)
