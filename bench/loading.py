"""Synthetic chunks → tables, past the embedder and the queue; indexes are built afterwards."""

import os
from typing import Any, Final, LiteralString
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from assistant.db.engine import libpq_url
from bench.synthetic import CHUNKS_OF_A_DOCUMENT, Chunks

BLOCK: Final = 5_000
"""Chunks that are sent at a time."""

TEXT: Final = b"lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
TEXT_BYTES: Final = 1_000
"""Of a chunk: 150 words and the spaces between them."""

STORED_WIDTH: Final = 1536

SLOW_INDEXES: Final = ("public.idx_document_embeddings_vector", "assistant.idx_postings_chunk")
POSTINGS_KEY: Final = "postings_pkey"

Rows = npt.NDArray[Any]
Connection = psycopg.Connection[tuple[Any, ...]]


def load(url: str, lexemes: list[str], shares: dict[UUID, Chunks], model: str) -> dict[UUID, list[UUID]]:
    """Fill the spaces, and no others; the ids of their chunks. `url`: a superuser's.

    Triggers and foreign keys are off meanwhile: nothing is queued, and what they would count is counted at the end.
    """
    address = libpq_url(url)
    with psycopg.connect(address, autocommit=True) as connection:
        run = connection.execute
        run("set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '1GB'")
        run("truncate documents, document_embeddings, assistant.postings, assistant.space_statistics cascade")
        indexes = _drop_indexes(connection)
        words = _by_length(lexemes)
        ids = {space: _load_space(connection, words, space, chunks, model) for space, chunks in shares.items()}
        for definition in indexes:
            run(definition)
        run(
            "insert into assistant.space_statistics (space_id, chunks, worded_chunks, words)"
            " select space_id, count(*), count(*), sum(length) from document_embeddings group by space_id"
        )
        run("vacuum analyze documents, document_embeddings, assistant.postings, assistant.space_statistics")
        run("checkpoint")
        return ids


def _drop_indexes(connection: Connection) -> list[Any]:
    """Drop those that are slow to keep while rows come; the statements that make them again."""
    made = []
    for name in SLOW_INDEXES:
        made.append(_one(connection, "select pg_get_indexdef(%s::regclass)", name))
        connection.execute(f"drop index {name}".encode())
    key = _one(connection, "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", POSTINGS_KEY)
    connection.execute(f"alter table assistant.postings drop constraint {POSTINGS_KEY}".encode())
    return [*made, f"alter table assistant.postings add constraint {POSTINGS_KEY} {key}"]


def _one(connection: Connection, statement: LiteralString, value: str) -> str:
    (row,) = connection.execute(statement, (value,)).fetchall()
    return str(row[0])


def _load_space(
    connection: Connection, words: dict[int, tuple[Rows, Rows]], space: UUID, chunks: Chunks, model: str
) -> list[UUID]:
    count = len(chunks.vectors)
    ids, documents = _random_ids(count), _random_ids(-(-count // CHUNKS_OF_A_DOCUMENT))
    lengths = np.bincount(chunks.chunk, chunks.count, count).astype(np.int32)
    order = np.argsort(chunks.chunk, kind="stable")
    owner = np.void(space.bytes)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into documents (id, space_id, title, content) values (%s, %s, 'A document', '-')",
            [(UUID(bytes=document.tobytes()), space) for document in documents],
        )
        for start in range(0, count, BLOCK):
            number = np.arange(start, min(start + BLOCK, count))
            nth = number % CHUNKS_OF_A_DOCUMENT
            _copy(
                cursor,
                "document_embeddings",
                id=ids[number],
                document_id=documents[number // CHUNKS_OF_A_DOCUMENT],
                space_id=np.full(len(number), owner),
                chunk_index=nth.astype(">i4"),
                chunk_text=_texts(len(number)),
                start_offset=(nth * TEXT_BYTES).astype(">i4"),
                end_offset=((nth + 1) * TEXT_BYTES).astype(">i4"),
                language=np.full(len(number), b"en"),
                length=lengths[number].astype(">i4"),
                model=np.full(len(number), model.encode()),
                search_vector=_written(chunks.vectors[number], ">f2", chunks.vectors.shape[1]),
                embedding=_written(chunks.vectors[number], ">f4", STORED_WIDTH),
            )
            first, last = np.searchsorted(chunks.chunk, [start, start + BLOCK], sorter=order)
            picked = order[first:last]
            for written, positions in words.values():
                of_length = picked[positions[chunks.word[picked]] >= 0]
                if len(of_length):
                    chunk = chunks.chunk[of_length]
                    _copy(
                        cursor,
                        "assistant.postings",
                        space_id=np.full(len(of_length), owner),
                        lexeme=written[positions[chunks.word[of_length]]],
                        chunk_id=ids[chunk],
                        tf=chunks.count[of_length].astype(">i4"),
                        length=lengths[chunk].astype(">i4"),
                    )
    return [UUID(bytes=chunk.tobytes()) for chunk in ids]


def _copy(cursor: psycopg.Cursor[tuple[Any, ...]], table: str, **columns: Rows) -> None:
    """COPY's binary format: in front of each row the number of its columns, in front of each column its bytes."""
    layout: list[tuple[str, Any]] = [("columns", ">i2")]
    for name, values in columns.items():
        layout += [(f"{name}_bytes", ">i4"), (name, values.dtype)]
    rows = np.zeros(len(next(iter(columns.values()))), layout)
    rows["columns"] = len(columns)
    for name, values in columns.items():
        rows[f"{name}_bytes"] = values.dtype.itemsize
        rows[name] = values
    with cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin (format binary)".encode()) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")


def _written(vectors: Rows, kind: str, width: int) -> Rows:
    """As pgvector sends them, padded with zeros to `width`."""
    rows = np.zeros(len(vectors), [("width", ">i2"), ("unused", ">i2"), ("numbers", kind, width)])
    rows["width"] = width
    rows["numbers"][:, : vectors.shape[1]] = vectors
    return rows


def _texts(count: int) -> Rows:
    """Equally long ones; what stands in them nobody reads."""
    text = (TEXT * (TEXT_BYTES // len(TEXT) + 1))[:TEXT_BYTES]
    return np.full(count, text)


def _random_ids(count: int) -> Rows:
    return np.frombuffer(os.urandom(16 * count), "V16")


def _by_length(lexemes: list[str]) -> dict[int, tuple[Rows, Rows]]:
    """Bytes of a lexeme → those so long, and for each lexeme its position among them or -1."""
    sizes = np.array([len(lexeme) for lexeme in lexemes])
    found = {}
    for size in np.unique(sizes):
        (indices,) = np.nonzero(sizes == size)
        positions = np.full(len(lexemes), -1)
        positions[indices] = np.arange(len(indices))
        found[int(size)] = np.array([lexemes[index].encode() for index in indices]), positions
    return found
