"""Whatever a model calls, and whatever is made of its proposals: others' rows stay; only what is allowed happens."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest

from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.mentor.policies import WRITES
from assistant.mentor.toolbox import TOOLS, WRITE_TOOLS
from tests.fixtures.database import Person, join_space, make_user
from tests.fixtures.http import LiveService
from tests.fixtures.scripted_model import Reply, ScriptedModel, ToolUse, say
from tests.mentor.actions.conftest import Event, Learner, kinds

SECRET: Final = "Zanzibar"
"""Stands in the rows of somebody whom the learner does not know; no tool may tell it."""

KINDS: Final = ("goal", "task", "module", "document", "space", "user")
OWNERS: Final = ("ada", "bob", "carol")
"""Who acts; a stranger; the owner of a space that ada may read."""

SEEDS: Final = range(24)

# --- what is called --------------------------------------------------------------------------------------------------

CALLED: Final = [*sorted(WRITE_TOOLS) * 3, *(tool.name for tool in TOOLS), "delete_user", "create_task "]
STATUSES: Final = ["pending", "in_progress", "completed", "active", "archived"]
ODD: Final = [
    *(None, True, 1.5, -1, 10**12, "", " ", "\x00", "\u2028", [], {}, ["ada.task"], {"id": "bob.task"}),
    *("x" * 50_000, "'; drop table goals; --", "ada.user", "bob.user", "bob.space", "carol.space"),
]

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Chance:
    """Draws what a model might call: mostly what it could mean, of rows of its learner and of others."""

    random: Random

    def calls(self) -> list[Call]:
        """Of a turn, each once: one that fails twice would end it early."""
        drawn = (self.call() for _ in range(self.random.randint(8, 20)))
        return list({repr(call): call for call in drawn}.values())

    def call(self) -> Call:
        name = self.random.choice(CALLED)
        arguments = self.arguments(name)
        way = self.random.choice(["likely"] * 4 + ["surplus", "odd"])
        if way == "surplus":
            arguments[self.random.choice(["user_id", "space_id", "owner", "goal_id", "id"])] = self.odd()
        elif way == "odd" and arguments:
            arguments[self.random.choice(sorted(arguments))] = self.odd()
        return name, arguments

    def arguments(self, name: str) -> dict[str, Any]:
        match name:
            case "create_goal" | "create_task" | "create_task ":
                module = (
                    {"module_id": self.id("module")} if name != "create_goal" and self.random.random() < 0.5 else {}
                )
                return {"title": f"Tie knot {self.random.randint(1, 999)}", **module}
            case "update_goal":
                return {"goal_id": self.id("goal"), "status": self.random.choice(STATUSES)}
            case "update_task":
                return {
                    "task_id": self.id("task"),
                    "module_id": self.id("module"),
                    "status": self.random.choice(STATUSES),
                }
            case "update_module_progress":
                return {"module_id": self.id("module"), "completion_percentage": self.random.randint(-5, 105)}
            case "read_document":
                return {"document_id": self.id("document")}
            case "search_documents":
                return {"query": self.random.choice([SECRET, "knots"])}
            case "list_tasks":
                return {"module_id": self.id("module"), "status": self.random.choice(STATUSES)}
        return {}

    def id(self, kind: str) -> str:
        """The name of an id, most often of a row of the learner's own."""
        return f"{self.random.choice(['ada'] * 4 + ['bob', 'carol'])}.{kind}"

    def odd(self) -> Any:
        return self.random.choice([*ODD, self.id(self.random.choice(KINDS))])

    def policies(self) -> dict[str, str]:
        return {name: self.random.choice(["auto", "auto", "ask", "off"]) for name in sorted(WRITE_TOOLS)}

    def answer(self, tool: str) -> dict[str, Any] | None:
        """To a proposal: a no, a yes, or a yes to something else."""
        return self.random.choice([None, {}, {"arguments": self.arguments(tool)}, {"arguments": self.call()[1]}])


# --- where -----------------------------------------------------------------------------------------------------------

_ROWS: Final = """
select 'goal', id, to_jsonb(g)::text from goals g where user_id = any(%(people)s)
union all select 'space', id, to_jsonb(s)::text from spaces s where user_id = any(%(people)s)
union all select 'module', id, to_jsonb(m)::text from modules m where space_id = any(%(spaces)s)
union all select 'task', id, to_jsonb(t)::text from tasks t where space_id = any(%(spaces)s)
union all select 'document', id, to_jsonb(d)::text from documents d where space_id = any(%(spaces)s)
union all select 'progress', id, to_jsonb(p)::text from module_progress p where user_id = any(%(people)s)
order by 1, 2
"""


_PLANT: Final = (
    "insert into goals (id, user_id, title) values (%(goal)s, %(user)s, %(word)s)",
    "insert into spaces (id, goal_id, user_id, title, visibility)"
    " values (%(space)s, %(goal)s, %(user)s, %(word)s, %(visibility)s)",
    "insert into modules (id, space_id, title, content_type, order_index)"
    " values (%(module)s, %(space)s, %(word)s, 'text', 0)",
    "insert into tasks (id, space_id, title) values (%(task)s, %(space)s, %(word)s)",
    "insert into documents (id, space_id, title, content) values (%(document)s, %(space)s, %(word)s, 'A text.')",
    "insert into module_progress (user_id, module_id, completion_percentage) values (%(user)s, %(module)s, 10)",
)


@dataclass(frozen=True)
class World:
    """Three people, each with a row of each kind; ada talks to the mentor."""

    database: Database
    people: Mapping[str, Person]
    ids: Mapping[str, UUID]
    ada: Learner

    async def configure(self, owner: str, tools: Mapping[str, str]) -> None:
        config = msgspec.json.encode({"tools": tools}).decode()
        async with self.database.transaction(self.people[owner].principal) as connection:
            await connection.exec_driver_sql(
                "update spaces set ai_mentor_config = %s where id = %s", (config, self.people[owner].space_id)
            )

    async def rows(self, *owners: str) -> list[tuple[Any, ...]]:
        people = [self.people[owner] for owner in owners]
        async with self.database.service("maintain") as connection:
            found = await connection.exec_driver_sql(
                _ROWS, {"people": [each.id for each in people], "spaces": [each.space_id for each in people]}
            )
            return [tuple(row) for row in found]

    def resolve(self, value: Any) -> Any:
        """The arguments with the ids of this run."""
        match value:
            case str():
                return str(self.ids.get(value, value))
            case list():
                return [self.resolve(each) for each in value]
            case dict():
                return {key: self.resolve(each) for key, each in value.items()}
        return value


async def plant(database: Database, name: str) -> tuple[Person, dict[str, UUID]]:
    """A person with a row of each kind; the names of their ids."""
    user_id, email = await make_user(database)
    ids = {f"{name}.{kind}": uuid4() for kind in KINDS} | {f"{name}.user": user_id}
    person = Person(user_id, email, ids[f"{name}.goal"], ids[f"{name}.space"], learner(user_id))
    values = {kind: ids[f"{name}.{kind}"] for kind in KINDS} | {
        "word": SECRET if name == "bob" else "Knots",
        "visibility": "shared" if name == "carol" else "private",
    }
    async with database.transaction(person.principal) as connection:
        for statement in _PLANT:
            await connection.exec_driver_sql(statement, values)
    return person, ids


@pytest.fixture(scope="module")
async def world(database: Database, acting_service: LiveService, acting_model: ScriptedModel) -> AsyncIterator[World]:
    planted = {name: await plant(database, name) for name in OWNERS}
    people = {name: person for name, (person, _) in planted.items()}
    ids = {name: value for _, each in planted.values() for name, value in each.items()}
    await join_space(database, people["carol"].space_id, people["ada"].id, "viewer")
    async with acting_service.client(acting_service.token(people["ada"].id)) as client:
        yield World(database, people, ids, Learner(people["ada"], client, acting_model, database))


@contextmanager
def model_that_calls(model: ScriptedModel, rounds: Sequence[Sequence[ToolUse]]) -> Iterator[None]:
    """Each request gets the calls of the next round; after the last, and when it may call no more, a word."""
    left = list(rounds)

    def answer(_: Mapping[str, Any]) -> Reply:
        return say("So. ", *left.pop(0)) if left else say("I've created and deleted everything.")

    model.answer = answer
    try:
        yield
    finally:
        model.answer = None


# --- what holds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_call_changes_what_it_may_not(world: World, seed: int) -> None:
    chance = Chance(Random(seed))
    own_space = seed % 4 != 0
    ada, place, policies = world.ada, "ada" if own_space else "carol", chance.policies()
    ada.thread_id, ada.space_id = uuid4().hex, world.people[place].space_id
    await world.configure(place, policies)
    others, before = await world.rows("bob", "carol"), await world.rows("ada")

    uses = [ToolUse(name, world.resolve(given), id=f"toolu_{uuid4().hex}") for name, given in chance.calls()]
    size = chance.random.randint(1, 8)
    with model_that_calls(ada.model, [uses[at : at + size] for at in range(0, len(uses), size)]):
        events = await ada.ask("Do as you like.")

    assert kinds(events)[-1] == "RUN_FINISHED", events[-1]
    assert not any(SECRET in str(event.get("content")) for event in events if event["type"] == "TOOL_CALL_RESULT")
    assert await world.rows("bob", "carol") == others
    unasked = await stored_actions(ada)
    assert len(unasked) <= WRITES
    for action in unasked:
        assert action["status"] in ("executed", "failed", "proposed")
        assert own_space or action["status"] != "executed"  # it holds others' text
        assert policies[action["tool"]] == ("auto" if action["reason"] in (None, "foreign_text") else "ask")
        assert own_space or not WRITE_TOOLS[action["tool"]].editors_only

    refused: set[str] = set()
    for action in unasked:
        if action["status"] == "proposed":
            answer = world.resolve(chance.answer(action["tool"]))
            if answer is None:
                refused.add(action["id"])
            sent = await ada.send(action["id"], "reject" if answer is None else "approve", answer)
            assert sent.status_code < 500, sent.text
    assert await world.rows("bob", "carol") == others
    actions = await stored_actions(ada)
    executed = [action for action in actions if action["status"] == "executed"]
    assert not any(action["id"] in refused for action in executed)
    assert made(before, await world.rows("ada")) == Counter(
        action["tool"].removeprefix("create_") for action in executed if action["tool"].startswith("create_")
    )
    await nothing_points_elsewhere(world)

    for action in executed:
        if chance.random.random() < 0.4:
            undone = await ada.send(action["id"], "undo")
            assert undone.status_code in (200, 409), undone.text
    await the_log_tells_all(ada, before, await world.rows("ada"))


async def stored_actions(learner: Learner) -> list[Event]:
    """All of this conversation."""
    response = await learner.client.get(f"/api/actions?thread_id={learner.thread_id}&limit=100")
    items: list[Event] = response.json()["items"]
    return items


def made(before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """How many rows there are more, by kind; a first progress of a module is none that was asked for by that name."""
    more = Counter(kind for kind, *_ in after)
    more.subtract(kind for kind, *_ in before)
    return Counter({kind: count for kind, count in more.items() if count and kind != "progress"})


async def the_log_tells_all(
    learner: Learner, before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]
) -> None:
    """What was before, and on it what the stored actions say was done and undone, is what is there now."""
    replayed, now = rows_by_key(before), rows_by_key(after)
    for undone, effect in await learner.rows(_DONE, learner.thread_id, learner.person.id):
        key = (effect["table"], effect["row_id"])
        if undone and effect["kind"] == "created":
            del replayed[key]
            continue
        values = {name: change["before" if undone else "after"] for name, change in effect["fields"].items()}
        replayed[key] = replayed.get(key, {}) | values
    assert replayed.keys() == now.keys()
    # Of a row that was made, what it was given; of the others, all but the times that the database writes.
    assert replayed == {key: {name: row[name] for name in replayed[key]} for key, row in now.items()}


_DONE: Final = """
select t.undone, a.effect from assistant.mentor_actions a join assistant.runs r on r.id = a.run_id,
     lateral (values (a.executed_at, false), (a.undone_at, true)) as t (at, undone)
where r.thread_id = %s and r.user_id = %s and t.at is not null order by t.at
"""
_TABLES: Final = {"goal": "goals", "task": "tasks", "progress": "module_progress"}


def rows_by_key(found: Sequence[tuple[Any, ...]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows that a mentor can write, by table and id."""
    rows = {(_TABLES[kind], str(row_id)): json.loads(row) for kind, row_id, row in found if kind in _TABLES}
    return {key: {name: row[name] for name in row if not name.endswith("_at")} for key, row in rows.items()}


async def nothing_points_elsewhere(world: World) -> None:
    """A task's module is of its space, and progress is in modules that the learner may see."""
    async with world.database.service("maintain") as connection:
        found = await connection.exec_driver_sql(
            "select t.id from tasks t join modules m on m.id = t.module_id where t.space_id <> m.space_id"
            " union all select p.id from module_progress p join modules m on m.id = p.module_id"
            " where p.user_id = %s and m.space_id = %s",
            (world.people["ada"].id, world.people["bob"].space_id),
        )
        assert found.all() == []
