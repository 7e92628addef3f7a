"""A database of its own, whose plans tests may change, and turns of a mentor whose model is scripted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from assistant.accounts.subscriptions import Tier
from assistant.chat.budget import Accounts
from assistant.chat.runs import RunManager
from assistant.chat.service import ChatService, FollowedRun
from assistant.db import migrate
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.errors import UnavailableError
from assistant.limits import Limits
from assistant.llm.model import AnthropicModel
from assistant.llm.prompts import PromptLibrary
from assistant.llm.retry import Backoff
from assistant.mentor.loop import Mentor
from assistant.resources import resource_dir
from assistant.usage.installation import Stop, publish_stop
from assistant.usage.plans import Plan, load_plans
from assistant.usage.repository import publish_plans
from tests.chat.conftest import question
from tests.fixtures.database import PLANS, Person
from tests.fixtures.databases import at, server_at
from tests.fixtures.scripted_model import ScriptedModel
from tests.fixtures.tools import Shelf

UNLIMITED = load_plans(PLANS)

SetPlan = Callable[..., Awaitable[None]]


@pytest.fixture(scope="session")
async def own_server(server: Server) -> AsyncIterator[Server]:
    name = f"usage_{uuid4().hex[:12]}"
    with connect(server.url) as connection:
        connection.execute(f"create database {name}".encode())
    try:
        own = server_at(server, at(server.url, name))
        await asyncio.to_thread(migrate.upgrade, own.url)
        yield own
    finally:
        with connect(server.url) as connection:
            connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(scope="session")
async def database(own_server: Server) -> AsyncIterator[Database]:
    async with own_server.open() as opened:
        yield opened


@pytest.fixture
async def set_plan(database: Database) -> AsyncIterator[SetPlan]:
    """`await set_plan(messages=3)`: what `free` has; everything else is without a limit."""

    async def publish(tier: Tier = "free", **limits: Any) -> None:
        plan: Plan = replace(UNLIMITED[tier], **limits)
        await publish_plans(database, {**UNLIMITED, tier: plan})

    await publish()
    yield publish
    await publish()
    await publish_stop(database, Stop(None, None))


@dataclass
class Desk:
    """One process's part of the service, with a real mentor."""

    database: Database
    runs: RunManager
    service: ChatService

    async def ask(self, person: Person, text: str = "What is a bowline?", **names: str) -> list[dict[str, Any]]:
        """All events of a turn."""
        run = await self.service.begin(person.principal, question(person.space_id, text, **names))
        return await self.follow(person, run)

    async def ask_patiently(self, person: Person, thread: str) -> list[dict[str, Any]]:
        """The same, also where two hundred at a time wait for eight connections."""
        turn = question(person.space_id, thread_id=thread)
        while True:
            try:
                return await self.follow(person, await self.service.begin(person.principal, turn))
            except UnavailableError as error:
                if error.code != "database_unavailable":
                    raise
                await asyncio.sleep(0.05)

    async def follow(self, person: Person, run: FollowedRun) -> list[dict[str, Any]]:
        batches = [batch async for batch in self.service.follow(person.principal, run.id, 0)]
        return [msgspec.json.decode(event) for batch in batches for event in batch]

    async def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        async with self.database.service("maintain") as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(statement, values)]

    async def logged(self, person: Person, *actions: str) -> list[dict[str, Any]]:
        """Rows of usage_logs, in their order, as their tokens and details."""
        rows = await self.rows(
            "select action, tokens_used, details from usage_logs where user_id = %s and action = any (%s)"
            " order by created_at, action, id",
            person.id,
            list(actions or ("chat", "turn", "tool", "title", "summarise")),
        )
        return [{"action": action, "tokens": tokens, **details} for action, tokens, details in rows]

    async def counter(self, user_id: UUID) -> tuple[int, int, int, int]:
        """Messages and those reserved, tokens and those reserved, of all months together."""
        [row] = await self.rows(
            "select coalesce(sum(messages), 0)::int, coalesce(sum(messages_reserved), 0)::int,"
            " coalesce(sum(tokens), 0)::int, coalesce(sum(tokens_reserved), 0)::int"
            " from assistant.usage_counters where user_id = %s",
            user_id,
        )
        return row[0], row[1], row[2], row[3]


@asynccontextmanager
async def open_desk(
    database: Database,
    server: Server,
    model_server: ScriptedModel,
    *,
    max_turns: int = 0,
    usd: Decimal | None = None,
    fallback: str | None = None,
) -> AsyncIterator[Desk]:
    model = AnthropicModel("key", model_server.base_url, fallback=fallback, backoff=Backoff(tries=1))
    mentor = Mentor(database, model, Shelf(), PromptLibrary(resource_dir("prompts")), "claude-haiku")
    accounts = Accounts(load_plans(), counts_money=usd is not None)
    runs = RunManager(database, mentor, server.listen_url, turn_seconds=30, accounts=accounts, max_turns=max_turns)
    limits = Limits(database, requests_per_minute=0, turns_per_minute=0)
    await runs.start()
    try:
        yield Desk(database, runs, ChatService(database, runs, limits))
    finally:
        await runs.close(grace=0)
        await model.aclose()


@pytest.fixture
async def desk(
    database: Database, own_server: Server, model_server: ScriptedModel, set_plan: SetPlan
) -> AsyncIterator[Desk]:
    async with open_desk(database, own_server, model_server) as opened:
        yield opened
