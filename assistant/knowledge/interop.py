"""A space for LangChain: its retriever, and PGVectorStore over the same table. Not imported by the server.

Both read as one person: a chain sees of a space what that person may see. Writing is the indexer's (read-only here).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_postgres import PGEngine, PGVectorStore
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from assistant.db.identity import Principal, acting_as
from assistant.db.session import Database
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import MAX_DIMENSIONS, Embedder, FloatArray

METADATA = [
    *("document_id", "space_id", "chunk_index", "heading", "page", "start_offset", "end_offset", "language", "model")
]


class SpaceRetriever(BaseRetriever):
    """The service's own search, dense and lexical, as a LangChain retriever. Async only: `ainvoke`."""

    retriever: Retriever
    principal: Principal
    space_id: UUID
    k: int = 8

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        passages = await self.retriever.retrieve(self.principal, self.space_id, query, limit=self.k)
        return [
            Document(
                id=str(passage.chunk_id),
                page_content=passage.text,
                metadata={
                    "document_id": str(passage.document_id),
                    "title": passage.title,
                    "heading": passage.heading,
                    "page": passage.page,
                    "start": passage.start,
                    "end": passage.end,
                    "score": passage.score,
                },
            )
            for passage in passages
        ]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise NotImplementedError("The database is asked asynchronously: use ainvoke.")


class PaddedEmbeddings(Embeddings):
    """Vectors as the seed's column holds them: filled up with zeros, which no cosine notices."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def aembed_query(self, text: str) -> list[float]:
        return _padded(await self._embedder.embed_query(text))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [_padded(vector) for vector in await self._embedder.embed_passages(texts)]

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("The embedder is asked asynchronously: use aembed_query.")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError("The embedder is asked asynchronously: use aembed_documents.")


async def open_vector_store(database: Database, embedder: Embedder, principal: Principal) -> PGVectorStore:
    """PGVectorStore over all chunks that `principal` may see. Narrow it with `space_filter`."""
    engine = cast("AsyncEngine", _ActingEngine(database.clients, principal))  # all that the store asks of an engine
    return await PGVectorStore.create(
        PGEngine.from_engine(engine),
        PaddedEmbeddings(embedder),
        "document_embeddings",
        id_column="id",
        content_column="chunk_text",
        embedding_column="embedding",
        metadata_columns=METADATA,
        metadata_json_column=None,
    )


def space_filter(space_id: UUID, embedder: Embedder) -> dict[str, str]:
    """The store's `filter` for one space, and for vectors that can be compared with this embedder's."""
    return {"space_id": str(space_id), "model": embedder.model}


class _ActingEngine:
    """An engine whose transactions are one person's, whoever begins them."""

    def __init__(self, engine: AsyncEngine, principal: Principal) -> None:
        self._engine = engine
        self._principal = principal

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        with acting_as(self._principal):
            async with self._engine.connect() as connection:
                yield connection


def _padded(vector: FloatArray) -> list[float]:
    values: list[float] = vector.tolist()
    return values + [0.0] * (MAX_DIMENSIONS - len(values))
