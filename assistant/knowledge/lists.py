"""What can be listed of documents."""

from typing import Any, Final

from assistant.db.listing import BY_CREATION, Listing, contained_in
from assistant.knowledge.schemas import DocumentItem, IndexingRead

_INDEXING: Final = IndexingRead.__struct_fields__


def _make(*row: Any) -> DocumentItem:
    state = len(row) - len(_INDEXING)
    return DocumentItem(*row[:state], indexing=IndexingRead(*row[state:]))  # type: ignore[misc]  # it is the last field


DOCUMENTS: Final = Listing(
    name="documents",
    item=DocumentItem,
    source="(select d.id, d.space_id, d.title, d.content_type, d.created_by, d.created_at, d.updated_at, d.source,"
    " i.status, i.error, i.chunks, i.found_everywhere from public.documents d"
    " join assistant.document_indexing i on i.document_id = d.id) d",
    filters={
        "space_id": "space_id = %(space_id)s",
        "status": "status = %(status)s",
        "q": contained_in("title", "source"),
    },
    orders=BY_CREATION,
    parent="select from public.spaces where id = %(space_id)s",
    noun="space",
    columns=(*DocumentItem.__struct_fields__[:-1], *_INDEXING),
    make=_make,
)
"""Without their content."""
