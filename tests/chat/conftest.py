"""A run manager over the real database, with a mentor that says what a test scripts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec
import pytest

from assistant.chat.budget import Accounts
from assistant.chat.runs import RunManager
from assistant.chat.service import ChatService, FollowedRun, NewTurn
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.limits import Limits
from assistant.llm.events import TextDelta
from assistant.mentor.events import MentorEvent, Turn, TurnRecord
from assistant.usage.plans import load_plans
from tests.fixtures.http import LiveService

Script = Callable[[Turn, TurnRecord], AsyncGenerator[MentorEvent, None]]


def says(*pieces: str) -> Script:
    """A mentor that says these pieces."""

    async def script(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        for piece in pieces:
            record.text += piece
            yield TextDelta(piece)

    return script


def says_and_waits(*pieces: str, gate: asyncio.Event) -> Script:
    """One that goes on with its last piece once the gate opens."""

    async def script(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        for piece in pieces[:-1]:
            record.text += piece
            yield TextDelta(piece)
        await gate.wait()
        record.text += pieces[-1]
        yield TextDelta(pieces[-1])

    return script


@dataclass
class ScriptedMentor:
    script: Script = field(default_factory=lambda: says("Hello."))
    provider: str = "scripted"

    def answer(self, turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        return self.script(turn, record)


@dataclass
class Chat:
    """What a test talks to: one process's part of the service."""

    mentor: ScriptedMentor
    runs: RunManager
    service: ChatService


@pytest.fixture
async def chat(database: Database, server: Server) -> AsyncIterator[Chat]:
    async with open_chat(database, server) as opened:
        yield opened


@pytest.fixture
def script(offline_service: LiveService, monkeypatch: pytest.MonkeyPatch) -> ScriptedMentor:
    """The mentor of the live service, for this test."""
    mentor = ScriptedMentor()
    monkeypatch.setattr(offline_service.app.state.services.runs, "mentor", mentor)
    return mentor


class open_chat:  # noqa: N801 - reads as a function
    """Another process of the service, as far as the database can tell."""

    def __init__(self, database: Database, server: Server) -> None:
        mentor = ScriptedMentor()
        accounts = Accounts(load_plans(), counts_money=False)
        runs = RunManager(database, mentor, server.listen_url, turn_seconds=30, accounts=accounts, max_turns=0)
        limits = Limits(database, requests_per_minute=0, turns_per_minute=0)
        self.chat = Chat(mentor, runs, ChatService(database, runs, limits))

    async def __aenter__(self) -> Chat:
        await self.chat.runs.start()
        return self.chat

    async def __aexit__(self, *_: object) -> None:
        await self.chat.runs.close(grace=0)


def question(space_id: object, text: str = "What is a bowline?", **names: str) -> NewTurn:
    """A new turn with names of its own where none are given."""
    defaults = {"thread_id": "t-1", "client_run_id": uuid4().hex, "client_message_id": uuid4().hex}
    return NewTurn(space_id=space_id, text=text, **(defaults | names))  # type: ignore[arg-type]


async def read_events(chat: Chat, principal: Principal, run: FollowedRun, after: int = 0) -> list[dict[str, object]]:
    """All events of a run from a number on, to its end."""
    events = [
        msgspec.json.decode(event) async for batch in chat.service.follow(principal, run.id, after) for event in batch
    ]
    return [dict(event) for event in events]


def text_of(events: list[dict[str, object]]) -> str:
    return "".join(str(event["delta"]) for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")
