"""Document → chunks, vectors and postings, switched in one transaction: a search sees the old version or the new one.

No transaction is open while the embedder works.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

import structlog

from assistant.db.session import Database
from assistant.errors import AssistantError, TooLargeError, UnavailableError
from assistant.knowledge import store
from assistant.knowledge.chunking import HEADING_SEPARATOR, Chunk, split_into_chunks, word_count
from assistant.knowledge.extraction import PLAIN, read_text
from assistant.knowledge.language import detect_language
from assistant.knowledge.lexical import Analysis, analyse
from assistant.knowledge.store import NewChunk, Work
from assistant.llm.embeddings import Embedder, FloatArray
from assistant.llm.tokens import text_tokens
from assistant.usage.entries import embedding
from assistant.usage.reservations import paying

ANALYSIS: Final = "1"
"""Raised when chunks or lexemes of the same text come out differently: then everything is indexed again."""

BATCH: Final = 32
"""Chunks that are embedded at a time: so many are done again at most when a worker ends."""

MAX_CHUNKS: Final = 5_000
WAIT_SECONDS: Final = (5.0, 30.0, 120.0, 600.0)
"""Between the tries for a document that failed for a reason that may pass; after the last one it has failed."""

TURN_SECONDS: Final = 10.0
LANES: Final = 3
"""Documents of one space at a time: with fewer of them the embedder waits for the database, measured."""

MAX_DEATHS: Final = 2
"""So often may a worker end in the middle of one document before nobody touches it again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk before its vector is there. `embedded` is what the embedder reads."""

    chunk: Chunk
    language: str
    lexical: Analysis
    embedded: str
    input_hash: bytes


@dataclass(frozen=True, slots=True)
class _Embedded:
    """Vectors of the last batch, by what was embedded; others may have been kept in the database."""

    hashes: Sequence[bytes]
    vectors: FloatArray
    others_kept: bool
    unlogged: int
    """Tokens that this process's own model read, by estimate; a hosted one's are logged call by call."""


class _Turn:
    """What a space may use before others have their turn."""

    def __init__(self) -> None:
        self.until = time.monotonic() + TURN_SECONDS
        self.pause: float | None = None
        """Set when the embedder failed: seconds to leave it alone."""


class Indexer:
    """Brings documents into search. Safe to ask twice: what is done already is seen and left."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def index_space(self, space_id: UUID) -> None:
        """Index the documents of a space that wait, each for itself: one that fails says so in its state.

        After a while other spaces have their turn, if any wait. Must not run twice at a time for one space.
        """
        turn = _Turn()
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(LANES):  # some store while another one embeds
                    lanes.create_task(self._work_off(space_id, turn))
            # A document that a worker ended in the middle of is tried while no other one is there to be blamed.
            await self._work_off(space_id, turn, suspects=True)
        except Exception:  # nothing that one document is to blame for: the database, or a fault in here
            turn.pause = WAIT_SECONDS[0]
            raise
        finally:
            await asyncio.shield(self._enqueue_rest(space_id, turn))

    async def queue_forgotten(self) -> None:
        """Jobs for spaces whose documents wait without one, since a worker or the database ended at the wrong time."""
        async with self._database.service("index_document") as connection:
            await store.enqueue_forgotten(connection)

    async def queue_outdated(self) -> None:
        """Jobs for documents that another model or an older version of this package indexed."""
        async with self._database.service("index_document") as connection:
            await store.queue_outdated(connection, self._embedder.model, ANALYSIS)

    async def _work_off(self, space_id: UUID, turn: _Turn, *, suspects: bool = False) -> None:
        while turn.pause is None and (work := await self._take(space_id, turn, suspects=suspects)) is not None:
            await self._index_or_say_why(work, turn)

    async def _take(self, space_id: UUID, turn: _Turn, *, suspects: bool) -> Work | None:
        async with self._database.service("index_document") as connection:
            if time.monotonic() > turn.until:
                if await store.others_wait(connection, space_id):
                    return None
                turn.until = time.monotonic() + TURN_SECONDS
            return await store.begin(connection, space_id, suspects=suspects)

    async def _enqueue_rest(self, space_id: UUID, turn: _Turn) -> None:
        async with self._database.service("index_document") as connection:
            await store.enqueue_rest(connection, space_id, turn.pause)

    async def _index_or_say_why(self, work: Work, turn: _Turn) -> None:
        if work.deaths >= MAX_DEATHS:
            await self._settle(work, "quarantined", "Indexing this document ended the indexing process twice.")
            return
        try:
            await self._index(work)
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(work, "queued"))
            raise
        except UnavailableError as exc:
            turn.pause = await self._postpone(work, exc.detail)
        except AssistantError as exc:
            await self._settle(work, "failed", exc.detail)
        except Exception:
            log.exception("document_not_indexed", document_id=str(work.document_id), attempts=work.attempts)
            await self._postpone(work, "The service could not index this document; its log says why.")

    async def _index(self, work: Work) -> None:
        if work.content_type == "html" and work.content_format is None:  # written past the service, as it came
            extracted = await asyncio.to_thread(read_text, work.content, "html")
            async with self._database.service("index_document") as connection:
                await store.convert(connection, work, extracted.content)
            return  # the new text has a job of its own
        content_hash = _hash(work)
        if work.content_hash == content_hash and work.model == self._embedder.model:
            await self._settle(work, "ready")
            return
        drafts = await asyncio.to_thread(_draft, work)
        embedded = await self._embed(work, drafts)
        model = self._embedder.model
        async with self._database.service("index_document") as connection:
            if not await store.lock_version(connection, work):
                return  # it was changed meanwhile, and waits again
            old = await store.delete_chunks(connection, work) if work.model else []
            chunks = list(_name_chunks(drafts, old))
            await store.insert_chunks(connection, work, model, chunks, embedded.hashes, embedded.vectors)
            await store.finish(connection, work, model, content_hash, len(chunks))
            if embedded.unlogged:
                await store.log_use(connection, work, embedding(model, embedded.unlogged).entry())
            if embedded.others_kept:
                await store.forget_vectors(connection, work)

    async def _embed(self, work: Work, drafts: Sequence[_Draft]) -> _Embedded:
        """Embed what is missing, in batches: all but the last one are kept in the database."""
        missing = {draft.input_hash: draft.embedded for draft in drafts}
        may_be_there = work.model is not None or work.attempts > 1
        if may_be_there:
            async with self._database.service("index_document") as connection:
                for known in await store.adopt_vectors(connection, work, self._embedder.model, list(missing)):
                    del missing[known]
        hashes, unlogged = list(missing), 0
        while len(hashes) > BATCH:
            batch, hashes = hashes[:BATCH], hashes[BATCH:]
            vectors, tokens = await self._embed_batch(work, [missing[key] for key in batch])
            unlogged += tokens
            async with self._database.service("index_document") as connection:
                await store.keep_vectors(connection, work, self._embedder.model, batch, vectors)
        vectors, tokens = await self._embed_batch(work, [missing[key] for key in hashes])
        return _Embedded(hashes, vectors, may_be_there or len(missing) > BATCH, unlogged + tokens)

    async def _embed_batch(self, work: Work, texts: Sequence[str]) -> tuple[FloatArray, int]:
        """Vectors, and what is still to be logged. What a hosted model reads is set aside first, and logged at once."""
        call = embedding(self._embedder.model, sum(text_tokens(text) for text in texts))
        if not texts or call.is_free:
            return await self._embedder.embed_passages(texts), call.usage.input_tokens or 0
        async with paying(self._database, work.payer, work.space_id, call) as bill:
            vectors = await self._embedder.embed_passages(texts)
            bill.append(call)
        return vectors, 0

    async def _postpone(self, work: Work, reason: str) -> float:
        """Another try later, or none any more. Seconds until it."""
        if work.attempts > len(WAIT_SECONDS):
            await self._settle(work, "failed", reason)
            return WAIT_SECONDS[0]
        wait = WAIT_SECONDS[work.attempts - 1]
        await self._settle(work, "queued", reason, wait)
        return wait

    async def _settle(self, work: Work, status: str, error: str | None = None, wait: float | None = None) -> None:
        async with self._database.service("index_document") as connection:
            await store.settle(connection, work, status, error, wait)


def _hash(work: Work) -> str:
    """Equal for documents that are chunked and counted alike."""
    parts = (work.title, work.content_type or "", work.content_format or "", work.content)
    return f"{ANALYSIS}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def _draft(work: Work) -> list[_Draft]:
    markup = work.content_format or work.content_type
    chunks = split_into_chunks(work.content, structured=markup not in PLAIN)
    if len(chunks) > MAX_CHUNKS:
        raise TooLargeError(f"The document has {len(chunks)} sections; at most {MAX_CHUNKS} fit.")
    language = detect_language(work.content)
    return [_draft_chunk(work.title, chunk, detect_language(chunk.text, language)) for chunk in chunks]


def _draft_chunk(title: str, chunk: Chunk, language: str) -> _Draft:
    if chunk.heading is not None and chunk.heading.split(HEADING_SEPARATOR)[0] == title:  # say it once
        chunk = replace(chunk, heading=chunk.heading[len(title) + len(HEADING_SEPARATOR) :] or None)
    parts = [part for part in (title, chunk.heading, chunk.text) if part and word_count(part)]
    embedded = "\n".join(parts)
    input_hash = hashlib.sha256(embedded.encode()).digest()
    return _Draft(chunk, language, analyse(parts, language), embedded, input_hash)


def _name_chunks(drafts: Sequence[_Draft], old: Sequence[tuple[bytes, UUID]]) -> Iterator[NewChunk]:
    """Rows in order. A chunk that was there before keeps its id, so that citations of it stay good."""
    ids: defaultdict[bytes, list[UUID]] = defaultdict(list)
    for input_hash, chunk_id in reversed(old):
        ids[input_hash].append(chunk_id)
    for index, draft in enumerate(drafts):
        yield NewChunk(
            id=ids[draft.input_hash].pop() if ids[draft.input_hash] else uuid4(),
            index=index,
            text=draft.chunk.text,
            heading=draft.chunk.heading,
            page=draft.chunk.page,
            start=draft.chunk.start,
            end=draft.chunk.end,
            language=draft.language,
            length=draft.lexical.length,
            input_hash=draft.input_hash,
            lexemes=draft.lexical.counts,
        )
