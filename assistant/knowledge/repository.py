"""Statements about documents, as the person whose session it is. Those of indexing are in store.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from assistant.db.keyset import Sort, Sorting, contains
from assistant.knowledge.models import Document, DocumentIndexing

Found = Row[Document, DocumentIndexing]


def _documents() -> Select[Document, DocumentIndexing]:
    return select(Document, DocumentIndexing).join(DocumentIndexing, DocumentIndexing.document_id == Document.id)


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """What a list of documents is narrowed to; `text` stands in title or source."""

    status: str | None = None
    text: str | None = None


_SORTS: Final = {
    "created": Sort("created_at", datetime, Document.created_at),
    "updated": Sort("updated_at", datetime, Document.updated_at),
    "title": Sort("title", str, Document.title),
}


def sorted_documents(order: str) -> Sorting:
    return Sorting.named(order, _SORTS, Document.id)


OLDEST_FIRST: Final = sorted_documents("created")


async def list_documents(
    session: AsyncSession,
    space_id: UUID,
    wanted: DocumentFilter,
    *,
    order: Sorting,
    after: Sequence[object] | None,
    limit: int,
) -> Sequence[Found]:
    """Without their content."""
    statement = _documents().options(defer(Document.content, raiseload=True)).where(Document.space_id == space_id)
    if wanted.status is not None:
        statement = statement.where(DocumentIndexing.status == wanted.status)
    if wanted.text is not None:
        statement = statement.where(contains(wanted.text, Document.title, Document.source))
    return (await session.execute(order.page(statement, after, limit))).all()


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
