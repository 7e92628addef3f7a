"""A collection through the product: its documents into scratch spaces, its queries through the retriever."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.accounts.models import auth_users
from assistant.accounts.repository import has_auth_stand_in, insert_identity, insert_user
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.db.statistics import refresh_statistics
from assistant.errors import AssistantError, ConfigurationError
from assistant.evals.dataset import Collection, CorpusDocument, Query
from assistant.goals.service import open_goal
from assistant.knowledge.extraction import MAX_CHARACTERS, MAX_TITLE, clean
from assistant.knowledge.models import Document, DocumentIndexing
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import Embedder
from assistant.spaces.models import Space
from assistant.spaces.service import open_space
from assistant.worker import Worker

TOGETHER: Final = 4
"""Queries at a time: as many learners as a small service has."""

BATCH: Final = 100
LOOK_SECONDS: Final = 0.2

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Run:
    """Query → documents with their scores, best first."""

    rankings: dict[str, list[tuple[str, float]]]
    seconds: float
    """For all queries together, embedding included."""
    index_seconds: float
    chunks: int


async def run_retrieval(
    server: Server, database: Database, embedder: Embedder, collection: Collection, *, limit: int, progress: Progress
) -> Run:
    """Everything that was made for it is gone afterwards. Raises AssistantError where a document cannot be indexed."""
    async with _scratch_user(database) as me:
        started = time.perf_counter()
        names: dict[UUID, str] = {}
        async with Worker(server, database, embedder):
            spaces = await _fill_spaces(database, me, collection, names)
            chunks = await _wait_for_index(database, me, len(names), progress)
        await refresh_statistics(database, "knowledge")
        index_seconds = time.perf_counter() - started
        retriever = Retriever(database, embedder)
        started = time.perf_counter()
        rankings = await _ask_all(retriever, me, spaces, names, collection.queries, limit, progress)
        return Run(rankings, time.perf_counter() - started, index_seconds, chunks)


@asynccontextmanager
async def _scratch_user(database: Database) -> AsyncIterator[Principal]:
    user_id = uuid4()
    email = f"{user_id}@evaluation.invalid"
    async with database.service("accounts") as connection:
        if not await has_auth_stand_in(connection):
            raise ConfigurationError("This database belongs to an identity provider: evaluate on another one.")
        await insert_identity(connection, user_id, email)
        await insert_user(connection, user_id, email, "Evaluation")
    me = learner(user_id)
    try:
        yield me
    finally:
        await asyncio.shield(_remove(database, me, user_id))


async def _remove(database: Database, me: Principal, user_id: UUID) -> None:
    """The documents in pieces, since one statement has only so much time; the rest goes with the user."""
    while True:
        async with database.session(me) as session:
            some = select(Document.id).where(Document.space_id.in_(_own_spaces(user_id))).limit(BATCH)
            gone = (await session.scalars(delete(Document).where(Document.id.in_(some)).returning(Document.id))).all()
        if not gone:
            break
    async with database.service("accounts") as connection:
        await connection.execute(delete(auth_users).where(auth_users.c.id == user_id))


def _own_spaces(user_id: UUID | None) -> Select[UUID]:
    """Without the public ones, which everybody sees."""
    return select(Space.id).where(Space.user_id == user_id)


async def _fill_spaces(
    database: Database, me: Principal, collection: Collection, names: dict[UUID, str]
) -> dict[str, UUID]:
    """Space of the collection → space. `names` is filled with what the collection calls each document."""
    assert me.user_id is not None
    spaces: dict[str, UUID] = {}
    async with database.session(me) as session:
        goal = await open_goal(session, me.user_id, {"title": "Evaluation"})
        wanted = {document.space for document in collection.documents} | {query.space for query in collection.queries}
        for number, name in enumerate(sorted(wanted)):
            space = await open_space(session, me.user_id, {"goal_id": goal.id, "title": f"Space {number}"})
            spaces[name] = space.id
    for start in range(0, len(collection.documents), BATCH):
        async with database.session(me) as session:
            await _insert(session, collection.documents[start : start + BATCH], spaces, names)
    return spaces


async def _insert(
    session: AsyncSession, batch: Sequence[CorpusDocument], spaces: dict[str, UUID], names: dict[UUID, str]
) -> None:
    rows = []
    for document in batch:
        if not (content := clean(document.text)[:MAX_CHARACTERS]).strip():
            continue  # what has no text is found by nobody
        document_id = uuid4()
        names[document_id] = document.id
        title = " ".join(clean(document.title).split())[:MAX_TITLE] or "–"
        rows.append({"id": document_id, "space_id": spaces[document.space], "title": title, "content": content})
    if rows:
        await session.execute(insert(Document), rows)


async def _wait_for_index(database: Database, me: Principal, total: int, progress: Progress) -> int:
    """Number of chunks. Raises AssistantError for the first document that failed."""
    ours = DocumentIndexing.space_id.in_(_own_spaces(me.user_id))
    counted = select(DocumentIndexing.status, func.count(), func.sum(DocumentIndexing.chunks)).where(ours)
    counted = counted.group_by(DocumentIndexing.status)
    while True:
        async with database.session(me) as session:
            states = {status: (count, chunks) for status, count, chunks in await session.execute(counted)}
            for status in ("failed", "quarantined"):
                if status in states:
                    failed = select(DocumentIndexing.error).where(ours, DocumentIndexing.status == status).limit(1)
                    raise AssistantError(f"A document could not be indexed: {await session.scalar(failed)}")
        ready, chunks = states.get("ready", (0, 0))
        progress("indexing documents", ready, total)
        if ready == total:
            return int(chunks)
        await asyncio.sleep(LOOK_SECONDS)


async def _ask_all(
    retriever: Retriever,
    me: Principal,
    spaces: dict[str, UUID],
    names: dict[UUID, str],
    queries: Sequence[Query],
    limit: int,
    progress: Progress,
) -> dict[str, list[tuple[str, float]]]:
    rankings: dict[str, list[tuple[str, float]]] = {}
    waiting = iter(queries)

    async def ask() -> None:
        for query in waiting:
            prepared = await retriever.prepare(query.text, query.history)
            # A document's rank is that of its best chunk.
            passages = await retriever.search(me, spaces[query.space], prepared, limit, per_document=1)
            rankings[query.id] = [(names[passage.document_id], passage.score) for passage in passages]
            progress("asking queries", len(rankings), len(queries))

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(ask())
    return rankings
