"""Tables of what a space knows: documents, their chunks with vectors, the lexical index, the state of indexing."""

from datetime import datetime
from typing import Final
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from assistant.db.base import Base, Identified, Timestamped

INDEXED_WIDTHS: Final = {384: "", 512: "_512", 768: "_768", 1024: "_1024", 1536: "_1536"}
"""Widths of vectors that have an index, and how its name ends. Others are compared one by one."""


class Document(Identified, Timestamped, Base):
    """`content` is what is read, chunked and cited; an HTML page is turned into Markdown when it is written."""

    __tablename__ = "documents"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    content: Mapped[str]
    content_type: Mapped[str | None] = mapped_column(server_default="markdown")
    created_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), server_default=text("auth.uid()"), index=True
    )
    source: Mapped[str | None]
    content_format: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("id", "space_id", name="documents_tenant_key"),
        CheckConstraint(
            "length(title) between 1 and 300 and length(content) <= 2000000 and length(content_type) <= 100"
            " and length(content_format) <= 100 and length(source) between 1 and 2000",
            name="lengths",
        ),
        Index("idx_documents_space_created_at", "space_id", "created_at", "id"),
        Index(
            "documents_space_source_key", "space_id", "source", unique=True, postgresql_where=text("source is not null")
        ),
    )


class DocumentEmbedding(Identified, Base):
    """A chunk: `chunk_text` is documents.content from `start_offset` to `end_offset`, in code points."""

    __tablename__ = "document_embeddings"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    chunk_index: Mapped[int]
    chunk_text: Mapped[str]
    embedding: Mapped[list[float]] = mapped_column(VECTOR(1536))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    space_id: Mapped[UUID | None]
    heading: Mapped[str | None]
    page: Mapped[int | None]
    start_offset: Mapped[int | None]
    end_offset: Mapped[int | None]
    language: Mapped[str | None]
    length: Mapped[int | None]
    model: Mapped[str | None]
    search_vector: Mapped[list[float] | None] = mapped_column(HALFVEC())
    input_hash: Mapped[bytes | None]

    __table_args__ = (
        UniqueConstraint("document_id", "chunk_index"),
        UniqueConstraint("id", "space_id", name="document_embeddings_tenant_key"),
        ForeignKeyConstraint(
            ["document_id", "space_id"],
            ["documents.id", "documents.space_id"],
            ondelete="CASCADE",
            name="document_embeddings_document_of_same_space",
        ),
        Index("idx_document_embeddings_space", "space_id", "document_id"),
        *(
            Index(
                f"idx_document_embeddings_vector{suffix}",
                text(f"(search_vector::halfvec({width})) halfvec_ip_ops"),
                postgresql_using="hnsw",
                postgresql_with={"m": 24, "ef_construction": 128},
                postgresql_where=text(f"vector_dims(search_vector) = {width}"),
            )
            for width, suffix in INDEXED_WIDTHS.items()
        ),
    )


class Posting(Base):
    """How often a lexeme stands in a chunk of `length` lexemes."""

    __tablename__ = "postings"

    space_id: Mapped[UUID] = mapped_column(primary_key=True)
    lexeme: Mapped[str] = mapped_column(primary_key=True)
    chunk_id: Mapped[UUID] = mapped_column(primary_key=True)
    tf: Mapped[int]
    length: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(
            ["chunk_id", "space_id"],
            ["document_embeddings.id", "document_embeddings.space_id"],
            ondelete="CASCADE",
            name="postings_chunk_of_same_space",
        ),
        Index("idx_postings_chunk", "chunk_id", "space_id"),
        {"schema": "assistant"},
    )


class SpaceStatistics(Base):
    """What BM25 needs to know of a space as a whole. Kept by triggers on its chunks."""

    __tablename__ = "space_statistics"

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True)
    chunks: Mapped[int] = mapped_column(server_default=text("0"))
    worded_chunks: Mapped[int] = mapped_column(server_default=text("0"))
    words: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = ({"schema": "assistant"},)


class DocumentIndexing(Base):
    """Where a document stands on its way into search."""

    __tablename__ = "document_indexing"

    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    space_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default="queued")
    error: Mapped[str | None]
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    content_hash: Mapped[str | None]
    model: Mapped[str | None]
    chunks: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    deaths: Mapped[int] = mapped_column(server_default=text("0"))
    found_everywhere: Mapped[bool] = mapped_column(server_default=text("false"))
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    next_try_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(
            ["document_id", "space_id"],
            ["documents.id", "documents.space_id"],
            ondelete="CASCADE",
            name="document_indexing_document_of_same_space",
        ),
        Index("idx_document_indexing_space", "space_id", "document_id"),
        Index(
            "idx_document_indexing_waiting",
            "space_id",
            "queued_at",
            postgresql_where=text("status in ('queued', 'processing')"),
        ),
        {"schema": "assistant"},
    )


class FreshVector(Base):
    """A vector whose chunk is not stored yet."""

    __tablename__ = "fresh_vectors"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(primary_key=True)
    vector: Mapped[list[float]] = mapped_column(VECTOR())

    __table_args__ = ({"schema": "assistant", "prefixes": ["UNLOGGED"]},)
