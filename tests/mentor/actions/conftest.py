"""A learner whose mentor asks for tools, over real HTTP, and what they answer."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from assistant.app import create_app
from assistant.db.session import Database
from assistant.mentor.actions.service import Actions
from assistant.settings import Settings
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import LiveService, serve_app
from tests.fixtures.scripted_model import Reply, ScriptedModel, ToolUse, say

Event = dict[str, Any]


@pytest.fixture(scope="session")
async def acting_model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as server:
        yield server


@pytest.fixture(scope="session")
async def acting_service(settings: Settings, server: object, acting_model: ScriptedModel) -> AsyncIterator[LiveService]:
    """One service for all tests of actions; its model is the scripted one."""
    scripted = settings.model_copy(update={"anthropic_base_url": acting_model.base_url, "turns_per_minute": 0})
    async with serve_app(create_app(scripted), scripted) as live:
        yield live


@dataclass
class Learner:
    """Somebody who talks to the mentor, one conversation at a time."""

    person: Person
    client: httpx2.AsyncClient
    model: ScriptedModel
    database: Database
    thread_id: str = field(default_factory=lambda: f"t-{uuid4().hex[:8]}")
    space_id: UUID | None = None

    async def ask(self, text: str = "Please do it.", *, replies: tuple[Reply, ...] = ()) -> list[Event]:
        self.model.script(*replies)
        message = {"id": uuid4().hex, "role": "user", "content": text}
        return await self.run(messages=[message])

    async def resume(self, *answers: Event, run_id: str | None = None) -> list[Event]:
        return await self.run(resume=list(answers), **({"runId": run_id} if run_id else {}))

    async def run(self, **body: Any) -> list[Event]:
        """The events of a run, to its end."""
        sent = {"threadId": self.thread_id, "runId": uuid4().hex, **body}
        path = f"/api/spaces/{self.space_id or self.person.space_id}/agent"
        async with self.client.stream("POST", path, json=sent) as response:
            assert response.status_code == 200, await response.aread()
            lines = (await response.aread()).split(b"\n")  # and at no other sign that can stand in a text
            return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]

    async def proposed(self, *tools: ToolUse, text: str = "I would do this.") -> list[Event]:
        """What waits for an answer after the model has asked for these tools."""
        events = await self.ask(replies=(say(text, *tools),))
        assert events[-1]["outcome"]["type"] == "interrupt", events[-1]
        interrupts: list[Event] = events[-1]["outcome"]["interrupts"]
        return interrupts

    async def action(self, action_id: str) -> Event:
        response = await self.client.get(f"/api/actions/{action_id}")
        assert response.status_code == 200, response.text
        found: Event = response.json()
        return found

    async def send(self, action_id: str, what: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        return await self.client.post(f"/api/actions/{action_id}/{what}", json=body)

    async def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        async with self.database.service("maintain") as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(statement, values)]

    async def tasks(self) -> list[str]:
        space = self.space_id or self.person.space_id
        return [row[0] for row in await self.rows("select title from tasks where space_id = %s order by title", space)]

    def told(self) -> list[Event]:
        """What the model was sent last: its messages."""
        messages: list[Event] = list(self.model.requests[-1].body["messages"])
        return messages


MakeLearner = Callable[..., Awaitable[Learner]]


@pytest.fixture
async def make_learner(
    acting_service: LiveService, acting_model: ScriptedModel, database: Database, make_person: MakePerson
) -> AsyncIterator[MakeLearner]:
    clients: list[httpx2.AsyncClient] = []

    async def make(*, tools: Mapping[str, str] | None = None, person: Person | None = None) -> Learner:
        who = person or await make_person(config=json.dumps({"tools": tools or {}}))
        client = acting_service.client(acting_service.token(who.id))
        clients.append(client)
        return Learner(who, client, acting_model, database)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def ada(make_learner: MakeLearner) -> Learner:
    """Her space asks before anything is changed."""
    return await make_learner()


@pytest.fixture
def actions(database: Database) -> Actions:
    return Actions(database)


def yes(interrupt: Event, arguments: Mapping[str, Any] | None = None) -> Event:
    payload = {"approved": True} | ({} if arguments is None else {"arguments": arguments})
    return {"interruptId": interrupt["id"], "status": "resolved", "payload": payload}


def no(interrupt: Event) -> Event:
    return {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": False}}


def create_task(title: str, call_id: str = "toolu_01", **arguments: Any) -> ToolUse:
    return ToolUse("create_task", {"title": title, **arguments}, id=call_id)


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def text_of(events: list[Event]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def results_of(events: list[Event]) -> list[Event]:
    """What tools answered, as the model reads it."""
    return [json.loads(event["content"]) for event in events if event["type"] == "TOOL_CALL_RESULT"]
