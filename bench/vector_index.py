"""HNSW or ivfflat: what each finds once the table it was made on has filled.

    python -m bench.vector_index [--size 10000] [--queries 200]

Synthetic vectors (`bench.synthetic`) come into a plain table as documents do: in the order in which people write, a few
topics after others. Each index is looked at when all of them are there: made before the first one, as a schema makes
it; made when half of them were there; made at the end. Recall is that of the best ten against an exact scan; a query is
timed over one connection, the best of three.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, LiteralString

import numpy as np
import psycopg
from pgvector.psycopg import HalfVector, register_vector

from assistant.db.embedded import open_embedded
from assistant.db.engine import libpq_url
from assistant.llm.bundled import MiniLM
from assistant.llm.embeddings import FloatArray
from bench.search import nearest
from bench.service import percentile, scratch
from bench.synthetic import TOPICS, World

BLOCK: Final = 500
"""Vectors that come together: on a few topics."""

TRIES: Final = 3
LIMIT: Final = 10

HNSW: LiteralString = "using hnsw (v halfvec_ip_ops) with (m = 24, ef_construction = 128)"
IVFFLAT: LiteralString = "using ivfflat (v halfvec_ip_ops) with (lists = 100)"


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    definition: LiteralString
    made_at: float
    """Share of the vectors that are there when it is made."""
    settings: LiteralString


CANDIDATES: Final = [
    Candidate("hnsw, at the start", HNSW, 0, "set hnsw.ef_search = 100"),
    Candidate("hnsw, at the end", HNSW, 1, "set hnsw.ef_search = 100"),
    Candidate("ivfflat, at the start, 1 probe", IVFFLAT, 0, "set ivfflat.probes = 1"),
    Candidate("ivfflat, at the start, 10 probes", IVFFLAT, 0, "set ivfflat.probes = 10"),
    Candidate("ivfflat, at half, 10 probes", IVFFLAT, 0.5, "set ivfflat.probes = 10"),
    Candidate("ivfflat, at the end, 1 probe", IVFFLAT, 1, "set ivfflat.probes = 1"),
    Candidate("ivfflat, at the end, 10 probes", IVFFLAT, 1, "set ivfflat.probes = 10"),
]


def vectors(world: World, size: int) -> FloatArray:
    return np.concatenate(
        [world.chunks(min(BLOCK, size - start), TOPICS // 20).vectors for start in range(0, size, BLOCK)]
    )


def fill(connection: psycopg.Connection[tuple[object, ...]], rows: FloatArray, candidate: Candidate) -> float:
    """Seconds for all rows and the index."""
    connection.execute("drop table if exists t")
    connection.execute(f"create table t (id integer, v halfvec({rows.shape[1]}))".encode())
    connection.execute("alter table t alter column v set storage plain")
    turn = int(len(rows) * candidate.made_at)
    began = time.perf_counter()
    for part in (range(turn), range(turn, len(rows))):
        if part.start == turn:
            connection.execute(f"create index on t {candidate.definition}".encode())
        if part:
            with connection.cursor().copy("copy t (id, v) from stdin (format binary)") as copy:
                copy.set_types(["integer", "halfvec"])
                for number in part:
                    copy.write_row((number, HalfVector(rows[number])))
    seconds = time.perf_counter() - began
    connection.execute("vacuum analyze t")
    return seconds


def look(
    connection: psycopg.Connection[tuple[object, ...]], rows: FloatArray, questions: FloatArray
) -> Iterator[tuple[float, float]]:
    """Recall and milliseconds of each."""
    for question in questions:
        exact, times, found = set(nearest(rows, question)), [], set[int]()
        for _ in range(TRIES):
            began = time.perf_counter()
            answer = connection.execute(
                "select id from t order by v <#> %s limit %s", (HalfVector(question), LIMIT), prepare=True
            ).fetchall()
            times.append((time.perf_counter() - began) * 1000)
            found = {int(str(number)) for (number,) in answer}
        yield len(found & exact) / len(exact), min(times)


def run(size: int, queries: int) -> None:
    bundled = MiniLM()
    world = World(bundled)
    rows = vectors(world, size)
    questions = np.array([bundled.encode(world.question()) for _ in range(queries)], np.float32)
    print(f"{size:,} vectors, {queries} questions")
    print(f"{'index':<36}{'recall@10':>10}{'worst':>8}{'p50':>10}{'rows and index':>16}")
    with scratch() as folder:
        server = open_embedded(folder)
        try:
            address = libpq_url(server.url)
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("create extension vector")
                connection.execute("set enable_seqscan = off; set client_min_messages = error")
                register_vector(connection)
                for candidate in CANDIDATES:
                    seconds = fill(connection, rows, candidate)
                    connection.execute(candidate.settings)
                    recalls, times = zip(*look(connection, rows, questions), strict=True)
                    middle = percentile(list(times), 0.5)
                    print(
                        f"{candidate.name:<36}{np.mean(recalls):>10.3f}{min(recalls):>8.1f}{middle:>7.2f} ms"
                        f"{seconds:>14.1f} s",
                        flush=True,
                    )
        finally:
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000, help="vectors")
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    run(options.size, options.queries)


if __name__ == "__main__":
    main()
