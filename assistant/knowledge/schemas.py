"""What goes over the wire about documents and search."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from assistant.http import Incoming, Outgoing, Title, to_schema
from assistant.knowledge.search import Passage
from assistant.knowledge.service import Entry

IndexingStatus = Literal["queued", "processing", "ready", "failed", "quarantined"]
DocumentOrder = Literal["created", "-created", "updated", "-updated", "title", "-title"]

FormatName = Annotated[str, Meta(min_length=1, max_length=100, description="markdown, text or html, or its media type")]


class DocumentCreate(Incoming):
    title: Title
    content: str
    content_type: FormatName = "markdown"


class DocumentFetch(Incoming):
    url: str
    """Of a page, fetched now. Once more: its document is brought up to date."""


class DocumentChange(Incoming):
    title: Title | UnsetType = UNSET
    content: str | UnsetType = UNSET
    content_type: FormatName | UnsetType = UNSET


class IndexingRead(Outgoing):
    """How far the document is on its way into search."""

    status: IndexingStatus
    error: str | None
    """Why it failed, or what the next try is for."""
    chunks: int
    found_everywhere: bool
    """It is shown in most conversations of the space, whatever they are about: somebody should look at it."""


class DocumentItem(Outgoing):
    unversioned: ClassVar[tuple[str, ...]] = ("indexing",)

    id: UUID
    space_id: UUID
    title: str
    content_type: str | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    indexing: IndexingRead


class DocumentRead(DocumentItem):
    content: str
    """Markdown or plain text, whatever was posted: what quotes are taken from."""


class SearchItem(Outgoing):
    """A piece of a document; `text` is its content from `start` to `end`, in code points."""

    chunk_id: UUID
    document_id: UUID
    title: str
    heading: str | None
    page: int | None
    text: str
    start: int
    end: int
    score: Annotated[float, Meta(description="0…1, comparable within one answer only")]


class SearchResult(Outgoing):
    items: list[SearchItem]
    next_cursor: None = None


def read_entry(entry: Entry) -> DocumentRead:
    return DocumentRead(**_shared(entry), content=entry.document.content)


def _shared(entry: Entry) -> dict[str, Any]:
    document, state = entry.document, entry.indexing
    return {
        "id": document.id,
        "space_id": document.space_id,
        "title": document.title,
        "content_type": document.content_type,
        "created_by": document.created_by,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
        "indexing": to_schema(state, IndexingRead),
    }


def show_passage(passage: Passage) -> SearchItem:
    return SearchItem(
        passage.chunk_id,
        passage.document_id,
        passage.title,
        passage.heading,
        passage.page,
        passage.text,
        passage.start,
        passage.end,
        round(passage.score, 4),
    )
