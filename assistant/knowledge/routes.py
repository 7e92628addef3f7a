"""Documents and search over HTTP. Public spaces' documents may be read without signing in; searching is for people."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

from litestar import Controller, Request, delete, get, patch, post
from litestar.datastructures import State, UploadFile
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.body import strictly
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.entity_tags import Preconditions
from assistant.errors import InvalidError, UnsupportedError
from assistant.http import signed_in, visible
from assistant.idempotency import IdempotencyKey, once
from assistant.knowledge import service
from assistant.knowledge.extraction import MAX_BYTES, MAX_TITLE, Extracted, parse_format
from assistant.knowledge.fetching import MAX_ADDRESS
from assistant.knowledge.ingestion import Found, Gatherer, is_site_map, store_file
from assistant.knowledge.lists import DOCUMENTS
from assistant.knowledge.models import Document
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.schemas import (
    DocumentChange,
    DocumentCreate,
    DocumentFetch,
    DocumentItem,
    DocumentOrder,
    DocumentRead,
    IndexingStatus,
    SearchResult,
    read_entry,
    show_passage,
)
from assistant.limits import Limits
from assistant.pagination import ORDER_DESCRIPTION, Page, Paginator, SearchText
from assistant.spaces.models import Space
from assistant.spaces.service import SPACE

BODY_BYTES: Final = MAX_BYTES + 256 * 1024
"""The largest file, and what a form puts around it."""

MAX_RESULTS: Final = 100

sees_space = visible(Space, "space_id", SPACE)
sees_document = visible(Document, "document_id", service.NOUN)


@dataclass
class DocumentUpload(Operation):
    """Says that a document may come as JSON, as a file or by its address."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        as_json = Schema(
            type=OpenAPIType.OBJECT,
            properties={"title": text, "content": text, "content_type": text},
            required=["title", "content"],
            additional_properties=False,
        )
        as_address = Schema(
            type=OpenAPIType.OBJECT,
            properties={"url": Schema(type=OpenAPIType.STRING, max_length=MAX_ADDRESS, pattern="^https?://")},
            required=["url"],
            additional_properties=False,
        )
        file = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
        as_form = Schema(type=OpenAPIType.OBJECT, properties={"file": file, "title": text}, required=["file"])
        self.request_body = RequestBody(
            content={
                "application/json": OpenAPIMediaType(schema=Schema(one_of=[as_json, as_address])),
                "multipart/form-data": OpenAPIMediaType(schema=as_form),
            },
            required=True,
        )


class SpaceDocumentController(Controller):
    path = "/api/spaces/{space_id:uuid}"
    tags = ("documents",)

    @get("/documents", operation_id="ListDocuments")
    async def list_documents(
        self,
        space_id: FromPath[UUID],
        paginator: NamedDependency[Paginator],
        status: FromQuery[IndexingStatus | None] = None,
        q: SearchText = None,
        order: Annotated[DocumentOrder, QueryParameter(description=ORDER_DESCRIPTION)] = "created",
    ) -> Page[DocumentItem]:
        """A space's documents, without their content; unless `order` says otherwise, the oldest first."""
        return await paginator.read(DOCUMENTS, order, space_id=space_id, status=status, q=q)

    @post(
        "/documents",
        operation_id="CreateDocument",
        operation_class=DocumentUpload,
        guards=[signed_in, sees_space],
        request_max_body_size=BODY_BYTES,
    )
    async def create_document(
        self,
        request: Request[Any, Any, State],
        space_id: FromPath[UUID],
        me: NamedDependency[UUID],
        database: NamedDependency[Database],
        db_session: NamedDependency[AsyncSession],
        limits: NamedDependency[Limits],
        gatherer: NamedDependency[Gatherer],
        idempotency_key: IdempotencyKey = None,
    ) -> DocumentRead:
        """Add a document: a text as JSON, a file of any readable format as the `file` of a form, or the `url` of a
        page, whose document is brought up to date where it is there already. It is searchable a moment later:
        `indexing` says how far it is. For the owner, admins and editors.
        """

        async def prepare() -> _Sent:
            await limits.count_upload(me)
            return await _read_sent(request, gatherer, me)

        async def store(sent: _Sent) -> DocumentRead:
            if sent.source is None:
                return read_entry(await service.add_extracted(db_session, space_id, sent.extracted))
            stored = await store_file(db_session, space_id, sent.extracted, sent.source)
            return await _read(db_session, stored.document_id)

        return await once(database, db_session, request, idempotency_key, prepare, store)

    @get("/search", operation_id="SearchDocuments", guards=[signed_in, sees_space])
    async def search(
        self,
        space_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        retriever: NamedDependency[Retriever],
        q: Annotated[str, QueryParameter(min_length=1, max_length=2_000, description="Words or a question.")],
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_RESULTS, description="At most so many items.")] = 10,
    ) -> SearchResult:
        """The pieces of documents that fit best, best first, by meaning and by words."""
        if not q.strip():
            raise InvalidError("Say what to search for.", path="q")
        prepared = await retriever.prepare(q)
        passages = await retriever.search(principal, space_id, prepared, limit)
        return SearchResult([show_passage(passage) for passage in passages])


class DocumentController(Controller):
    path = "/api/documents/{document_id:uuid}"
    tags = ("documents",)

    @get("/", operation_id="GetDocument")
    async def get_document(
        self, document_id: FromPath[UUID], db_session: NamedDependency[AsyncSession]
    ) -> DocumentRead:
        """One document, with its content."""
        return await _read(db_session, document_id)

    @patch(
        "/",
        operation_id="UpdateDocument",
        guards=[signed_in, sees_document],
        request_max_body_size=BODY_BYTES,
    )
    async def update_document(
        self,
        document_id: FromPath[UUID],
        data: JSONBody[DocumentChange],
        me: NamedDependency[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
        gatherer: NamedDependency[Gatherer],
    ) -> DocumentRead:
        """Change what is sent, leave the rest. The old version is searched until the new one is indexed."""
        changes, extracted = data.changes(), None
        if {"content", "content_type"} <= changes.keys():
            kind = parse_format(changes.pop("content_type"))
            extracted = await gatherer.read_text(changes.pop("content"), kind, owner=me)
        await preconditions.hold(db_session, Document.id == document_id, lambda: _read(db_session, document_id))
        return read_entry(await service.change_document(db_session, document_id, changes, extracted))

    @delete("/", operation_id="DeleteDocument", guards=[signed_in])
    async def delete_document(
        self,
        document_id: FromPath[UUID],
        db_session: NamedDependency[AsyncSession],
        preconditions: NamedDependency[Preconditions],
    ) -> None:
        """Delete a document, and with it what search knows of it."""
        await preconditions.hold(db_session, Document.id == document_id, lambda: _read(db_session, document_id))
        await service.delete_document(db_session, document_id)


async def _read(session: AsyncSession, document_id: UUID) -> DocumentRead:
    return read_entry(await service.get_document(session, document_id))


class _Sent(NamedTuple):
    """What is to become a document. `source`: the address of a page, which has one document."""

    extracted: Extracted
    source: str | None = None


async def _read_sent(request: Request[Any, Any, State], gatherer: Gatherer, me: UUID) -> _Sent:
    """A text, a file or a page, read. Raises InvalidError, TooLargeError, UnsupportedError."""
    if request.content_type[0] == "multipart/form-data":
        return _Sent(await _read_form(request, gatherer, me))
    body = await request.json()
    if not (isinstance(body, dict) and "url" in body):
        sent = strictly(body, DocumentCreate)
        kind = parse_format(sent.content_type)
        return _Sent(await gatherer.read_text(sent.content, kind, title=sent.title, owner=me))
    page = await gatherer.fetch(strictly(body, DocumentFetch).url)
    if is_site_map(page.data):
        raise UnsupportedError("A site map is no document; `goalspace ingest` puts in each of its pages.")
    return _Sent(await gatherer.read(page, owner=me), page.source)


async def _read_form(request: Request[Any, Any, State], gatherer: Gatherer, me: UUID) -> Extracted:
    """A file that was posted, read. Raises InvalidError, TooLargeError, UnsupportedError."""
    form = await request.form()
    file, title = form.get("file"), form.get("title")
    if not isinstance(file, UploadFile):
        raise InvalidError("Send the document as the form's field `file`.", path="file")
    if title is not None and not (isinstance(title, str) and 0 < len(title.strip()) <= MAX_TITLE):
        raise InvalidError(f"A title has 1 to {MAX_TITLE} characters.", path="title")
    extracted = await gatherer.read(Found("", file.filename, await file.read()), owner=me)
    return extracted if title is None else replace(extracted, title=title.strip())
