"""A database in which no worker runs but those that a test starts, and embedders that need no model."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.db.setup import Server, open_server
from assistant.goals.service import open_goal
from assistant.knowledge.indexing import Indexer
from assistant.llm.embeddings import Embedder, EmbedderUnavailableError, FloatArray
from assistant.settings import Settings
from assistant.spaces.service import open_space
from tests.fixtures.database import make_user

WIDTH = 384


@pytest.fixture(scope="session")
async def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Not the other tests' one: a service that they run would index what a test wants to index itself."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("quiet"), DATABASE_URL=None, _env_file=None)  # type: ignore[call-arg]
    async with await open_server(settings, upgrade=True) as opened:
        yield opened


@pytest.fixture(scope="session")
async def quiet(quiet_server: Server) -> AsyncIterator[Database]:
    async with quiet_server.open() as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Learner:
    id: UUID
    space: UUID
    principal: Principal = field(repr=False)


MakeLearner = Callable[..., Awaitable[Learner]]


@pytest.fixture
def make_learner(quiet: Database) -> MakeLearner:
    """`await make_learner(visibility="private")`: somebody new with a space."""

    async def make(visibility: str = "private") -> Learner:
        user_id, _ = await make_user(quiet)
        async with quiet.session(learner(user_id)) as session:
            goal = await open_goal(session, user_id, {"title": "Learn to sail"})
            values = {"goal_id": goal.id, "title": "Sailing", "visibility": visibility}
            space = await open_space(session, user_id, values)
        return Learner(user_id, space.id, learner(user_id))

    return make


@pytest.fixture
async def ada(make_learner: MakeLearner) -> Learner:
    return await make_learner()


@pytest.fixture
async def bob(make_learner: MakeLearner) -> Learner:
    return await make_learner()


@dataclass(slots=True)
class WordVectors:
    """Each word has a direction of its own, and a text is the sum of its words. Counts what it embeds."""

    embedded: list[str] = field(default_factory=list)
    fails_on: str | None = None
    unavailable: bool = False
    gate: asyncio.Event | None = None
    """Passages wait for it."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when passages come."""
    batches: int | None = None
    """After so many calls the next one never ends."""
    exhausted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it begins."""

    async def encode_query(self, text: str) -> FloatArray:
        return word_vector(text)

    async def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.batches is not None:
            if self.batches == 0:
                self.exhausted.set()
                await asyncio.Event().wait()
            self.batches -= 1
        if self.unavailable:
            raise EmbedderUnavailableError
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise ValueError("a fault of the embedder")
        self.embedded.extend(texts)
        return np.array([word_vector(text) for text in texts], np.float32).reshape(len(texts), WIDTH)


def word_vector(text: str) -> FloatArray:
    vector = np.full(WIDTH, 1e-3)
    for word in re.findall(r"\w+", text.lower()):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
        vector += np.random.default_rng(seed).normal(size=WIDTH)
    unit: FloatArray = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


@pytest.fixture
def vectors() -> WordVectors:
    return WordVectors()


@pytest.fixture
def embedder(vectors: WordVectors) -> Embedder:
    return Embedder("test/words", WIDTH, frozenset({"en"}), vectors)


@pytest.fixture
def indexer(quiet: Database, embedder: Embedder) -> Indexer:
    return Indexer(quiet, embedder)


async def write(database: Database, who: Learner, title: str, content: str, space: UUID | None = None) -> UUID:
    """A document, as a client writes it that knows nothing of indexing."""
    document_id = uuid4()
    async with database.transaction(who.principal) as connection:
        await connection.exec_driver_sql(
            "insert into documents (id, space_id, title, content) values (%s, %s, %s, %s)",
            (document_id, space or who.space, title, content),
        )
    return document_id


async def rewrite(database: Database, who: Learner, document_id: UUID, content: str) -> None:
    async with database.transaction(who.principal) as connection:
        await connection.exec_driver_sql("update documents set content = %s where id = %s", (content, document_id))


async def rows(database: Database, who: Principal, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async with database.transaction(who) as connection:
        return [tuple(row) for row in await connection.exec_driver_sql(statement, values)]


async def service_rows(database: Database, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async with database.service("maintain") as connection:
        result = await connection.exec_driver_sql(statement, values)
        return [tuple(row) for row in result] if result.returns_rows else []
