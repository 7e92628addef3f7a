"""Document → chunks, vectors and postings, switched in one transaction: a search sees the old version or the new one.

No transaction is open while the embedder works.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

import structlog

from assistant.db.session import Database
from assistant.errors import AssistantError, TooLargeError, UnavailableError
from assistant.knowledge import store
from assistant.knowledge.chunking import HEADING_SEPARATOR, Chunk, split_into_chunks, word_count
from assistant.knowledge.extraction import read_text
from assistant.knowledge.language import detect_language
from assistant.knowledge.lexical import count_lexemes
from assistant.knowledge.store import NewChunk, Work
from assistant.llm.embeddings import Embedder, FloatArray

ANALYSIS: Final = "1"
"""Raised when chunks or lexemes of the same text come out differently: then everything is indexed again."""

BATCH: Final = 32
"""Chunks that are embedded at a time: so many are done again at most when a worker ends."""

MAX_CHUNKS: Final = 5_000
MAX_TRIES: Final = 5
MAX_DEATHS: Final = 2
"""So often may a worker end in the middle of one document before nobody touches it again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk before its vector is there. `embedded` is what the embedder reads."""

    chunk: Chunk
    language: str
    lexemes: Counter[str]
    embedded: str
    input_hash: bytes


class Indexer:
    """Brings documents into search. Safe to ask twice: what is done already is seen and left."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def index(self, document_id: UUID, space_id: UUID) -> None:
        """Index one document of that space, and say in its state how it ended.

        Raises UnavailableError, or whatever went wrong unforeseen, while another try may help. A document that is
        not there, or not in that space, is nobody's work.
        """
        async with self._database.service("index_document") as connection:
            work = await store.begin(connection, document_id, space_id)
        if work is None:
            return
        if work.deaths >= MAX_DEATHS:
            await self._settle(work, "quarantined", "Indexing this document ended the indexing process twice.")
            return
        try:
            await self._index(work)
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(work, "queued"))
            raise
        except UnavailableError as exc:
            await self._postpone(work, exc.detail)
            if work.attempts < MAX_TRIES:
                raise
        except AssistantError as exc:
            await self._settle(work, "failed", exc.detail)
        except Exception:
            log.exception("document_not_indexed", document_id=str(document_id), attempts=work.attempts)
            await self._postpone(work, "The service could not index this document; its log says why.")
            if work.attempts < MAX_TRIES:
                raise

    async def _index(self, work: Work) -> None:
        if work.content_type == "html" and work.content_format is None:  # written past the service, as it came
            async with self._database.service("index_document") as connection:
                await store.convert(connection, work, read_text(work.content, "html").content)
            return  # the new text has a job of its own
        content_hash = _hash(work)
        if work.content_hash == content_hash and work.model == self._embedder.model:
            await self._settle(work, "ready")
            return
        drafts = await asyncio.to_thread(_draft, work)
        kept, fresh = await self._embed(work, drafts)
        async with self._database.service("index_document") as connection:
            if not await store.lock_version(connection, work):
                return  # it was changed meanwhile, and that change has a job of its own
            await store.keep_vectors(connection, work, self._embedder.model, kept, fresh)
            chunks = list(_name_chunks(drafts, await store.old_chunks(connection, work)))
            await store.replace_chunks(connection, work, self._embedder.model, content_hash, chunks)

    async def _embed(self, work: Work, drafts: Sequence[_Draft]) -> tuple[Sequence[bytes], FloatArray]:
        """Embed what is missing. All but the last batch is kept in the database; that one comes back."""
        missing = {draft.input_hash: draft.embedded for draft in drafts}
        if work.model or work.attempts > 1:
            async with self._database.service("index_document") as connection:
                for known in await store.adopt_vectors(connection, work, self._embedder.model, list(missing)):
                    del missing[known]
        hashes = list(missing)
        batches = [hashes[start : start + BATCH] for start in range(0, len(hashes), BATCH)] or [[]]
        for batch in batches:
            vectors = await self._embedder.embed_passages([missing[key] for key in batch])
            if batch is batches[-1]:
                break
            async with self._database.service("index_document") as connection:
                await store.keep_vectors(connection, work, self._embedder.model, batch, vectors)
        return batch, vectors

    async def _postpone(self, work: Work, reason: str) -> None:
        await self._settle(work, "queued" if work.attempts < MAX_TRIES else "failed", reason)

    async def _settle(self, work: Work, status: str, error: str | None = None) -> None:
        async with self._database.service("index_document") as connection:
            await store.settle(connection, work, status, error)


def _hash(work: Work) -> str:
    """Equal for documents that are chunked and counted alike."""
    parts = (ANALYSIS, work.title, work.content_type or "", work.content_format or "", work.content)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _draft(work: Work) -> list[_Draft]:
    markup = work.content_format or work.content_type
    chunks = split_into_chunks(work.content, structured=markup != "text")
    if len(chunks) > MAX_CHUNKS:
        raise TooLargeError(f"The document has {len(chunks)} sections; at most {MAX_CHUNKS} fit.")
    language = detect_language(work.content)
    return [_draft_chunk(work.title, chunk, detect_language(chunk.text, language)) for chunk in chunks]


def _draft_chunk(title: str, chunk: Chunk, language: str) -> _Draft:
    if chunk.heading is not None and chunk.heading.split(HEADING_SEPARATOR)[0] == title:  # say it once
        chunk = replace(chunk, heading=chunk.heading[len(title) + len(HEADING_SEPARATOR) :] or None)
    parts = [part for part in (title, chunk.heading, chunk.text) if part and word_count(part)]
    embedded = "\n".join(parts)
    return _Draft(chunk, language, count_lexemes(parts, language), embedded, hashlib.sha256(embedded.encode()).digest())


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
            start=draft.chunk.start,
            end=draft.chunk.end,
            language=draft.language,
            length=draft.lexemes.total(),
            input_hash=draft.input_hash,
            lexemes=draft.lexemes,
        )
