"""Statements of indexing. They run with the service's right, for one document of the space that it is said to be in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncConnection

from assistant.knowledge.search import write_vector
from assistant.llm.embeddings import FloatArray
from assistant.usage.entries import Entry


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
    payer: UUID
    """Whose plan embedding it counts for: who added it, else who owns the space."""


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A row to be. Its vector is found by `input_hash`."""

    id: UUID
    index: int
    text: str
    heading: str | None
    page: int | None
    start: int
    end: int
    language: str
    length: int
    input_hash: bytes
    lexemes: dict[str, int]


# Neither taking up nor storing a document waits for the disk: what a crash of the database takes back is done again,
# since the job that asks for it is taken back as well.

# A document is a suspect when a worker ended in the middle of it: then it is still `processing` when no job runs.
_BEGIN: Final = """
update assistant.document_indexing i
set status = 'processing', attempts = i.attempts + 1, deaths = i.deaths + (i.status = 'processing')::int
from public.documents d
where d.id = i.document_id and i.document_id = (
    select document_id from assistant.document_indexing
    where space_id = %(space)s and status in ('queued', 'processing')
      and (deaths > 0 or status = 'processing') = %(suspects)s and (next_try_at is null or next_try_at <= now())
    order by queued_at, document_id limit 1 for update skip locked)
returning i.document_id, i.space_id, d.title, d.content, d.content_type, d.content_format, i.version,
          i.content_hash, i.model, i.attempts, i.deaths,
          coalesce(d.created_by, (select s.user_id from public.spaces s where s.id = i.space_id)),
          set_config('synchronous_commit', 'off', true)
"""

_SETTLE: Final = """
update assistant.document_indexing
set status = %s, error = %s, next_try_at = now() + make_interval(secs => %s)
where document_id = %s and version = %s
"""

_ENQUEUE_REST: Final = """
select private.enqueue_indexing(%(space)s, greatest(
    now() + make_interval(secs => %(pause)s), case when bool_and(next_try_at is not null) then min(next_try_at) end))
from assistant.document_indexing where space_id = %(space)s and status in ('queued', 'processing')
having count(*) > 0
"""

_ENQUEUE_FORGOTTEN: Final = """
select private.enqueue_indexing(i.space_id, min(i.next_try_at))
from assistant.document_indexing i
where i.status in ('queued', 'processing') and not exists (
    select from jobs.procrastinate_jobs j where j.lock = i.space_id::text and j.status in ('todo', 'doing'))
group by i.space_id
"""

_QUEUE_OUTDATED: Final = """
with outdated as (
    update assistant.document_indexing
    set status = 'queued', error = null, attempts = 0, deaths = 0, queued_at = now(), next_try_at = null
    where status = 'ready' and (model <> %s or not starts_with(content_hash, %s)) returning space_id)
select private.enqueue_indexing(space_id) from outdated group by space_id
"""

_OTHERS_WAIT: Final = """
select exists (
    select from jobs.procrastinate_jobs
    where status = 'todo' and lock <> %s and (scheduled_at is null or scheduled_at <= now()))
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
_LOCK_VERSION: Final = """
select i.version, set_config('synchronous_commit', 'off', true)
from public.documents d join assistant.document_indexing i on i.document_id = d.id
where d.id = %s and d.space_id = %s for key share of d for update of i
"""

_OLD_CHUNKS: Final = """
select input_hash, id from public.document_embeddings
where document_id = %s and input_hash is not null order by chunk_index
"""

_DELETE_CHUNKS: Final = "delete from public.document_embeddings where document_id = %s"

_INSERT_CHUNKS: Final = """
insert into public.document_embeddings
    (id, document_id, space_id, chunk_index, chunk_text, heading, page, start_offset, end_offset, language,
     length, model, input_hash, search_vector, embedding)
select n.id, %s, %s, n.chunk_index, n.chunk_text, n.heading, n.page, n.start_offset, n.end_offset,
       n.language, n.length, %s, n.input_hash, v.vector::halfvec,
       case when vector_dims(v.vector) = 1536 then v.vector
            else v.vector || array_fill(0::real, array[1536 - vector_dims(v.vector)])::vector end
from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[], %s::text[], %s::int[],
            %s::bytea[])
     as n(id, chunk_index, chunk_text, heading, page, start_offset, end_offset, language, length, input_hash)
join (
    select input_hash, vector from unnest(%s::bytea[], %s::text[]::vector[]) as given(input_hash, vector)
    union all
    select input_hash, vector from assistant.fresh_vectors where document_id = %s and model = %s) v using (input_hash)
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

_LOG_USE: Final = """
insert into public.usage_logs (user_id, resource_type, resource_id, action, tokens_used, details)
select %s, 'space', %s, 'embed', %s, %s
"""

_FORGET_VECTORS: Final = "delete from assistant.fresh_vectors where document_id = %s"


async def begin(connection: AsyncConnection, space_id: UUID, *, suspects: bool) -> Work | None:
    """Take up the document of a space that has waited longest; None where none is due.

    `suspects`: one of those that a worker ended in the middle of, else one of the others.
    """
    row = (await connection.exec_driver_sql(_BEGIN, {"space": space_id, "suspects": suspects})).one_or_none()
    return None if row is None else Work(*tuple(row)[:-1])


async def settle(
    connection: AsyncConnection, work: Work, status: str, error: str | None = None, wait_seconds: float | None = None
) -> None:
    """Say how it ended, unless the document was changed meanwhile: then it waits again already."""
    await connection.exec_driver_sql(_SETTLE, (status, error, wait_seconds, work.document_id, work.version))


async def enqueue_rest(connection: AsyncConnection, space_id: UUID, pause: float | None) -> None:
    """Another job where documents of the space still wait: when the first one is due, and `pause` seconds are over."""
    await connection.exec_driver_sql(_ENQUEUE_REST, {"space": space_id, "pause": pause})


async def enqueue_forgotten(connection: AsyncConnection) -> None:
    """Jobs for spaces whose documents wait without one."""
    await connection.exec_driver_sql(_ENQUEUE_FORGOTTEN)


async def queue_outdated(connection: AsyncConnection, model: str, analysis: str) -> None:
    """Queue what another model has embedded or another version of the analysis has counted."""
    await connection.exec_driver_sql(_QUEUE_OUTDATED, (model, f"{analysis}:"))


async def others_wait(connection: AsyncConnection, space_id: UUID) -> bool:
    """Whether another space's job could run now."""
    return bool((await connection.exec_driver_sql(_OTHERS_WAIT, (str(space_id),))).scalar_one())


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
    """Until the chunks are stored."""
    written = [write_vector(vector) for vector in vectors]
    await connection.exec_driver_sql(_KEEP_VECTORS, (work.document_id, model, list(hashes), written))


async def lock_version(connection: AsyncConnection, work: Work) -> bool:
    """Hold the document still to the end of the transaction; False where it is not what the work was begun with."""
    result = await connection.exec_driver_sql(_LOCK_VERSION, (work.document_id, work.space_id))
    return bool(result.scalar_one_or_none() == work.version)


async def delete_chunks(connection: AsyncConnection, work: Work) -> list[tuple[bytes, UUID]]:
    """What was embedded for each chunk that was there, and the chunk's id; in their order."""
    result = await connection.exec_driver_sql(_OLD_CHUNKS, (work.document_id,))
    found = [(bytes(input_hash), chunk_id) for input_hash, chunk_id in map(tuple, result)]
    await connection.exec_driver_sql(_DELETE_CHUNKS, (work.document_id,))
    return found


async def insert_chunks(
    connection: AsyncConnection,
    work: Work,
    model: str,
    chunks: Sequence[NewChunk],
    hashes: Sequence[bytes],
    vectors: FloatArray,
) -> None:
    """The vectors are those that are given here, by what was embedded, and those that were kept before."""
    if not chunks:
        return
    columns = zip(
        *(
            (c.id, c.index, c.text, c.heading, c.page, c.start, c.end, c.language, c.length, c.input_hash)
            for c in chunks
        ),
        strict=True,
    )
    written = [write_vector(vector) for vector in vectors]
    document = (work.document_id, work.space_id, model)
    kept = (list(hashes), written, work.document_id, model)
    await connection.exec_driver_sql(_INSERT_CHUNKS, (*document, *(list(column) for column in columns), *kept))
    postings = [(lexeme, c.id, tf, c.length) for c in chunks for lexeme, tf in c.lexemes.items()]
    if postings:
        rows = (list(column) for column in zip(*postings, strict=True))
        await connection.exec_driver_sql(_INSERT_POSTINGS, (work.space_id, *rows))


async def finish(connection: AsyncConnection, work: Work, model: str, content_hash: str, chunks: int) -> None:
    """The document is in search, as of `content_hash`."""
    await connection.exec_driver_sql(_FINISH, (content_hash, model, chunks, work.document_id))


async def log_use(connection: AsyncConnection, work: Work, entry: Entry) -> None:
    """That embedding the document's chunks took so much."""
    values = (work.payer, work.space_id, entry.tokens, Jsonb(entry.details))
    await connection.exec_driver_sql(_LOG_USE, values)


async def forget_vectors(connection: AsyncConnection, work: Work) -> None:
    await connection.exec_driver_sql(_FORGET_VECTORS, (work.document_id,))
