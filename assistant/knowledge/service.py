"""The rules for documents. Each function runs as the person whose session it is given.

Writing a document queues its indexing, in the same transaction: the database sees to that.
"""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.rows import delete_row, insert_row, update_row
from assistant.errors import InvalidError, NotFoundError
from assistant.knowledge import repository
from assistant.knowledge.extraction import Extracted, parse_format, read_text
from assistant.knowledge.models import Document, DocumentIndexing
from assistant.spaces.service import get_space

NOUN = "document"


class Entry(NamedTuple):
    """A document, and how far it is on its way into search."""

    document: Document
    indexing: DocumentIndexing


async def list_documents(session: AsyncSession, space_id: UUID, *, limit: int) -> list[Entry]:
    """Without their content, the oldest first. Raises NotFoundError for a space that the person may not see."""
    await get_space(session, space_id)
    return [Entry(*row) for row in await repository.list_documents(session, space_id, limit)]


async def get_document(session: AsyncSession, document_id: UUID) -> Entry:
    """Raises NotFoundError."""
    row = await repository.find_document(session, document_id)
    if row is None:
        raise NotFoundError(f"There is no such {NOUN}.")
    return Entry(*row)


async def find_by_source(session: AsyncSession, space_id: UUID, source: str) -> Entry | None:
    """The document that came from this file."""
    row = await repository.find_by_source(session, space_id, source)
    return None if row is None else Entry(*row)


async def add_document(
    session: AsyncSession, space_id: UUID, *, title: str, content: str, content_type: str = "markdown"
) -> Entry:
    """Add a text. Raises NotFoundError, ForbiddenError, InvalidError, TooLargeError, UnsupportedError."""
    return await add_extracted(session, space_id, read_text(content, parse_format(content_type), title=title))


async def add_extracted(
    session: AsyncSession, space_id: UUID, extracted: Extracted, *, source: str | None = None
) -> Entry:
    """Add what was read of a file. Raises NotFoundError, ForbiddenError, DuplicateError (its source is there)."""
    await get_space(session, space_id)
    values = {"space_id": space_id, "source": source, **_columns(extracted)}
    document = await insert_row(session, Document, values)
    return await get_document(session, document.id)


async def replace_extracted(session: AsyncSession, document_id: UUID, extracted: Extracted) -> Entry:
    """A new version of a file. Raises NotFoundError, ForbiddenError."""
    await update_row(session, Document, document_id, _columns(extracted), NOUN)
    return await get_document(session, document_id)


async def change_document(
    session: AsyncSession, document_id: UUID, changes: dict[str, Any], extracted: Extracted | None = None
) -> Entry:
    """Change what is named: `title`, and `content` or `content_type`; `extracted` is new content of a new type, read.

    New content without a type is in the format that the old one is read in: HTML is read as Markdown.
    Raises NotFoundError, ForbiddenError, InvalidError, TooLargeError, UnsupportedError.
    """
    changes = dict(changes)
    if extracted is not None:
        changes |= {name: value for name, value in _columns(extracted).items() if name != "title"}
    elif "content" in changes:
        changes["content"] = read_text(changes["content"], "text").content
    elif "content_type" in changes:
        changes["content_type"] = parse_format(changes["content_type"])
        changes["content_format"] = None
        if changes["content_type"] == "html":
            raise InvalidError("HTML needs its content to be sent with it.", path="content")
    await update_row(session, Document, document_id, changes, NOUN)
    return await get_document(session, document_id)


async def delete_document(session: AsyncSession, document_id: UUID) -> None:
    """With its chunks, at once. Raises NotFoundError, ForbiddenError."""
    await delete_row(session, Document, document_id, NOUN)


def _columns(extracted: Extracted) -> dict[str, Any]:
    return {
        "title": extracted.title,
        "content": extracted.content,
        "content_type": extracted.content_type,
        "content_format": extracted.content_format,
    }
