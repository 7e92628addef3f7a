"""Statements about documents, as the person whose session it is. Those of indexing are in store.py."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from assistant.knowledge.models import Document, DocumentIndexing

Found = Row[Document, DocumentIndexing]


def _documents() -> Select[Document, DocumentIndexing]:
    return select(Document, DocumentIndexing).join(DocumentIndexing, DocumentIndexing.document_id == Document.id)


async def list_documents(session: AsyncSession, space_id: UUID, limit: int) -> Sequence[Found]:
    """Without their content, the oldest first."""
    statement = _documents().options(defer(Document.content, raiseload=True)).where(Document.space_id == space_id)
    return (await session.execute(statement.order_by(Document.created_at, Document.id).limit(limit))).all()


async def find_document(session: AsyncSession, document_id: UUID) -> Found | None:
    return (await session.execute(_documents().where(Document.id == document_id))).one_or_none()


async def find_by_source(session: AsyncSession, space_id: UUID, source: str) -> Found | None:
    statement = _documents().where(Document.space_id == space_id, Document.source == source)
    return (await session.execute(statement)).one_or_none()


async def list_states(session: AsyncSession, document_ids: Sequence[UUID]) -> Sequence[DocumentIndexing]:
    """Those that are (still) there."""
    statement = select(DocumentIndexing).where(DocumentIndexing.document_id.in_(document_ids))
    return (await session.scalars(statement)).all()


async def index_again(session: AsyncSession, document_id: UUID) -> None:
    await session.execute(select(func.assistant.index_again(document_id)))
