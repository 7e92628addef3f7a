"""Statements of indexing. They run with the service's right, for one document of the space that it is said to be in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.knowledge.search import write_vector
from assistant.llm.embeddings import FloatArray


@dataclass(frozen=True, slots=True)
class Work:
    """A document as it was when its indexing began. `version` says whether it still is."""

    document_id: UUID
    space_id: UUID
    title: str
    content: str
    content_type: str | None
    content_format: str | None
    version: int
    content_hash: str | None
    """Of what the stored chunks were made from; None: there are none yet."""
    model: str | None
    attempts: int
    deaths: int


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A row to be. Its vector is found by `input_hash`."""

    id: UUID
    index: int
    text: str
    heading: str | None
    start: int
    end: int
    language: str
    length: int
    input_hash: bytes
    lexemes: dict[str, int]


# One that a worker ended in the middle of is still `processing` when the next one begins.
_BEGIN: Final = """
update assistant.document_indexing i
set status = 'processing', attempts = i.attempts + 1, deaths = i.deaths + (i.status = 'processing')::int
from public.documents d
where i.document_id = %s and i.space_id = %s and d.id = i.document_id and i.status <> 'quarantined'
returning i.document_id, i.space_id, d.title, d.content, d.content_type, d.content_format, i.version,
          i.content_hash, i.model, i.attempts, i.deaths
"""

_SETTLE: Final = """
update assistant.document_indexing set status = %s, error = %s where document_id = %s and version = %s
"""

_CONVERT: Final = """
update public.documents set content = %s, content_format = 'markdown'
where id = %s and space_id = %s
  and exists (select from assistant.document_indexing i where i.document_id = documents.id and i.version = %s)
"""

_ADOPT_VECTORS: Final = """
insert into assistant.fresh_vectors (document_id, model, input_hash, vector)
select distinct on (input_hash) document_id, model, input_hash, subvector(embedding, 1, vector_dims(search_vector))
from public.document_embeddings where document_id = %s and model = %s and input_hash = any (%s)
on conflict do nothing
"""

_KNOWN_VECTORS: Final = """
select input_hash from assistant.fresh_vectors where document_id = %s and model = %s and input_hash = any (%s)
"""

_KEEP_VECTORS: Final = """
insert into assistant.fresh_vectors (document_id, model, input_hash, vector)
select %s, %s, n.input_hash, n.vector::vector from unnest(%s::bytea[], %s::text[]) as n(input_hash, vector)
on conflict do nothing
"""

# The document before its state, as a change of the document takes them: two that meet wait, and never for each other.
_LOCK_DOCUMENT: Final = "select from public.documents where id = %s and space_id = %s for key share"
_LOCK_VERSION: Final = "select version from assistant.document_indexing where document_id = %s for update"

_OLD_CHUNKS: Final = """
select input_hash, id from public.document_embeddings
where document_id = %s and input_hash is not null order by chunk_index
"""

_DELETE_CHUNKS: Final = "delete from public.document_embeddings where document_id = %s"

_INSERT_CHUNKS: Final = """
insert into public.document_embeddings
    (id, document_id, space_id, chunk_index, chunk_text, heading, start_offset, end_offset, language, length,
     model, input_hash, search_vector, embedding)
select n.id, v.document_id, %s, n.chunk_index, n.chunk_text, n.heading, n.start_offset, n.end_offset, n.language,
       n.length, v.model, n.input_hash, v.vector::halfvec,
       case when vector_dims(v.vector) = 1536 then v.vector
            else v.vector || array_fill(0::real, array[1536 - vector_dims(v.vector)])::vector end
from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::int[], %s::text[], %s::int[], %s::bytea[])
     as n(id, chunk_index, chunk_text, heading, start_offset, end_offset, language, length, input_hash)
join assistant.fresh_vectors v on v.document_id = %s and v.model = %s and v.input_hash = n.input_hash
"""

_INSERT_POSTINGS: Final = """
insert into assistant.postings (space_id, lexeme, chunk_id, tf, length)
select %s, n.lexeme, n.chunk_id, n.tf, n.length
from unnest(%s::text[], %s::uuid[], %s::int[], %s::int[]) as n(lexeme, chunk_id, tf, length)
"""

_FINISH: Final = """
update assistant.document_indexing
set status = 'ready', error = null, deaths = 0, content_hash = %s, model = %s, chunks = %s
where document_id = %s
"""

_FORGET_VECTORS: Final = "delete from assistant.fresh_vectors where document_id = %s"


async def begin(connection: AsyncConnection, document_id: UUID, space_id: UUID) -> Work | None:
    """Take the document up; None where it is not in that space (any more) or quarantined."""
    row = (await connection.exec_driver_sql(_BEGIN, (document_id, space_id))).one_or_none()
    return None if row is None else Work(*tuple(row))


async def settle(connection: AsyncConnection, work: Work, status: str, error: str | None = None) -> None:
    """Say how it ended, unless the document was changed meanwhile: then its next job says so."""
    await connection.exec_driver_sql(_SETTLE, (status, error, work.document_id, work.version))


async def convert(connection: AsyncConnection, work: Work, markdown: str) -> None:
    """Put Markdown in the place of the page that was posted, unless it was changed meanwhile."""
    await connection.exec_driver_sql(_CONVERT, (markdown, work.document_id, work.space_id, work.version))


async def adopt_vectors(connection: AsyncConnection, work: Work, model: str, wanted: Sequence[bytes]) -> set[bytes]:
    """Which of the wanted vectors are there already: of the stored chunks, or of a try that did not get to its end."""
    await connection.exec_driver_sql(_ADOPT_VECTORS, (work.document_id, model, list(wanted)))
    result = await connection.exec_driver_sql(_KNOWN_VECTORS, (work.document_id, model, list(wanted)))
    return {bytes(row[0]) for row in result}


async def keep_vectors(
    connection: AsyncConnection, work: Work, model: str, hashes: Sequence[bytes], vectors: FloatArray
) -> None:
    if not hashes:
        return
    written = [write_vector(vector) for vector in vectors]
    await connection.exec_driver_sql(_KEEP_VECTORS, (work.document_id, model, list(hashes), written))


async def lock_version(connection: AsyncConnection, work: Work) -> bool:
    """Hold the document still to the end of the transaction; False where it is not what the work was begun with."""
    await connection.exec_driver_sql(_LOCK_DOCUMENT, (work.document_id, work.space_id))
    found = (await connection.exec_driver_sql(_LOCK_VERSION, (work.document_id,))).scalar_one_or_none()
    return found == work.version


async def old_chunks(connection: AsyncConnection, work: Work) -> list[tuple[bytes, UUID]]:
    """What was embedded for each stored chunk, and the chunk's id."""
    result = await connection.exec_driver_sql(_OLD_CHUNKS, (work.document_id,))
    return [(bytes(input_hash), chunk_id) for input_hash, chunk_id in map(tuple, result)]


async def replace_chunks(
    connection: AsyncConnection, work: Work, model: str, content_hash: str, chunks: Sequence[NewChunk]
) -> None:
    """The new chunks instead of the old ones. Their vectors must have been kept before."""
    await connection.exec_driver_sql(_DELETE_CHUNKS, (work.document_id,))
    if chunks:
        columns = zip(
            *((c.id, c.index, c.text, c.heading, c.start, c.end, c.language, c.length, c.input_hash) for c in chunks),
            strict=True,
        )
        await connection.exec_driver_sql(
            _INSERT_CHUNKS, (work.space_id, *(list(column) for column in columns), work.document_id, model)
        )
    postings = [(lexeme, c.id, tf, c.length) for c in chunks for lexeme, tf in c.lexemes.items()]
    if postings:
        await connection.exec_driver_sql(
            _INSERT_POSTINGS, (work.space_id, *(list(column) for column in zip(*postings, strict=True)))
        )
    await connection.exec_driver_sql(_FINISH, (content_hash, model, len(chunks), work.document_id))
    await connection.exec_driver_sql(_FORGET_VECTORS, (work.document_id,))
