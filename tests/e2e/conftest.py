"""Real processes, a real database, a model that says what its keywords ask for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from assistant.db.embedded import start_embedded
from tests.fixtures.processes import Installation, installed
from tests.fixtures.scripted_model import Reply, ScriptedModel, refuse

EMAIL: Final = "ada@example.org"

KNOTS: Final = """# Knots

A sailor needs few knots, but needs them in the dark.

## Bowline

The bowline makes a fixed loop at the end of a rope. It does not slip, and it is easy to untie.

## Clove hitch

The clove hitch fastens a fender to a rail. It slips when the pull changes its direction.
"""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seed:
    """An installation that nobody uses, to be copied, and what is in it."""

    installation: Installation
    space: str
    token: str
    """Ada's, good for a day."""


@pytest.fixture(scope="session")
async def seed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seed]:
    """One person with a space and a document in it, made by the commands that people use."""
    async with installed(tmp_path_factory.mktemp("seed")) as made:
        # Held here, so that the database is not started for each command anew.
        share = await start_embedded(made.data_dir)
        await made.ok("user", "create", EMAIL)
        space = await made.ok("space", "create", "--user", EMAIL, "--goal", "Learn to sail", "--title", "Sailing")
        (made.folder / "knots.md").write_text(KNOTS)
        await made.ok("ingest", space, "knots.md")
        token = await made.ok("token", EMAIL, "--ttl", "86400")
        await asyncio.to_thread(share.close)
        yield Seed(made, space, token)


class KeywordModel(ScriptedModel):
    """Answers by a word in the question, so that many turns can go on at a time."""

    def __init__(self) -> None:
        super().__init__(self._reply)
        self._replies_by_word: dict[str, Callable[[Mapping[str, Any]], Reply]] = {}

    def on(self, word: str, reply: Reply | Callable[[Mapping[str, Any]], Reply]) -> None:
        self._replies_by_word[word] = (lambda _: reply) if isinstance(reply, Reply) else reply

    def calls(self, word: str) -> list[Mapping[str, Any]]:
        """The requests whose question has this word."""
        return [request.body for request in self.requests if word in last_question(request.body)]

    def _reply(self, body: Mapping[str, Any]) -> Reply:
        question = last_question(body)
        for word, reply in self._replies_by_word.items():
            if word in question:
                return reply(body)
        self.unscripted += 1
        return refuse(400, "invalid_request_error", message="no reply for this question")


def last_question(body: Mapping[str, Any]) -> str:
    """What the learner asked last; results of tools are no questions."""
    for message in reversed(body["messages"]):
        text = json.dumps(message["content"])
        if message["role"] == "user" and '"tool_result"' not in text:
            return text
    return ""


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[KeywordModel]:
    async with KeywordModel() as server:
        yield server
        assert not server.unscripted, f"{server.unscripted} requests had no scripted reply"


@dataclass(slots=True)
class Learner:
    """One person's calls of a service."""

    http: httpx2.AsyncClient
    space: str

    async def ask(self, text: str, thread: str = "", **names: str) -> list[Event]:
        """A turn to its end."""
        async with self.begin(text, thread, **names) as turn:
            return [event async for event in turn]

    def begin(self, text: str, thread: str = "", *, run: str = "", message: str = "") -> "Stream":
        """A turn; its events as they come."""
        body = {
            "threadId": thread or uuid4().hex,
            "runId": run or uuid4().hex,
            "messages": [{"id": message or uuid4().hex, "role": "user", "content": text}],
        }
        return Stream(self.http, "POST", f"/api/spaces/{self.space}/agent", body)

    async def replay(self, run: str, after: int = 0) -> list[Event]:
        async with Stream(self.http, "GET", f"/api/runs/{run}/events?after={after}") as events:
            return [event async for event in events]

    async def run(self, run: str) -> dict[str, Any]:
        state: dict[str, Any] = (await self.http.get(f"/api/runs/{run}")).raise_for_status().json()
        return state

    async def messages(self, thread: str | None = None) -> list[dict[str, Any]]:
        """All of a thread, or of the space."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {
                "limit": "100",
                **({"thread_id": thread} if thread else {}),
                **({"cursor": cursor} if cursor else {}),
            }
            page = (await self.http.get(f"/api/spaces/{self.space}/messages", params=query)).raise_for_status().json()
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    async def new_space(self, **config: Any) -> "Learner":
        """The same person in a space of its own, whose mentor is set up so."""
        goal = (await self.http.post("/api/goals", json={"title": uuid4().hex})).raise_for_status().json()
        body = {"goal_id": goal["id"], "title": "Another", "ai_mentor_config": config}
        space = (await self.http.post("/api/spaces", json=body)).raise_for_status().json()
        return Learner(self.http, space["id"])


class RefusedError(Exception):
    """The service answered with a problem instead of events."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.text)
        self.status = response.status_code
        self.problem: dict[str, Any] = response.json()
        self.headers = response.headers


@dataclass(slots=True)
class Stream:
    """Server-sent events. Leaving the block leaves the run alone."""

    http: httpx2.AsyncClient
    method: str
    path: str
    body: Any = None
    seen: list[Event] = field(default_factory=list)
    """What was read so far, also where the connection broke."""
    _opened: Any = None
    _lines: AsyncIterator[str] | None = None

    async def __aenter__(self) -> "Stream":
        self._opened = self.http.stream(self.method, self.path, json=self.body)
        response: httpx2.Response = await self._opened.__aenter__()
        if response.status_code != 200:
            await response.aread()
            await self._opened.__aexit__(None, None, None)
            raise RefusedError(response)
        self._lines = response.aiter_lines()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._opened.__aexit__(*exc)

    async def __aiter__(self) -> AsyncIterator[Event]:
        assert self._lines is not None
        async for line in self._lines:
            if line.startswith("data: "):
                event: Event = json.loads(line[6:])
                self.seen.append(event)
                yield event

    async def until(self, kind: str, count: int = 1) -> None:
        """Read until `count` more events of this type have come."""
        async with asyncio.timeout(30):
            async for event in self:
                count -= event["type"] == kind
                if not count:
                    return
        raise AssertionError(f"the stream ended without {kind}: {self.seen[-1:]}")

    async def rest(self) -> list[Event]:
        """All events from the first to the last."""
        async for _ in self:
            pass
        return self.seen


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Until `condition` is true."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.05)


def text_of(events: list[Event]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def numbers(events: list[Event]) -> list[int]:
    return [event["metadata"]["seq"] for event in events]
