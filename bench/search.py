"""How long a search takes, and whether its vectors' leg finds what an exact scan finds.

    python -m bench.search [--sizes 1000 10000 100000] [--queries 100]

One of 100 spaces is searched, as the learner who owns it: `even` spreads the chunks over all of them, `one` puts them
into that one, beside a fifth as many in the 99 others. Chunks are synthetic (`bench.synthetic`). `retrieve` embeds its
question, too. Each question is asked three times and its best time counts, since others may be using the machine.
Floor: a `select 1` as the same learner the same way, and an exact scan in numpy over the space's vectors in memory.
`recall`: of the best ten by that scan, the share that a search by vectors alone finds.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import UUID

import numpy as np

from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.search import PreparedQuery
from assistant.llm.bundled import MiniLM
from assistant.llm.embeddings import Embedder, FloatArray
from bench.database import Place, database_cpu, make_places, open_database
from bench.loading import load
from bench.service import percentile, scratch
from bench.synthetic import TOPICS, Chunks, World

Input = TypeVar("Input")

PEOPLE: Final = 10
SPACES: Final = 10
"""Of each of them."""

LIMIT: Final = 10
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Target:
    """The space that is searched, and what an exact scan needs."""

    place: Place
    ids: list[UUID]
    vectors: FloatArray


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds, and shares."""

    search: list[float]
    cpu: float
    """Processor time of the database for one search."""
    retrieve: list[float]
    """With the question's embedding."""
    select_one: list[float]
    scan: list[float]
    recall: float
    complete: float
    """Share of searches that gave as many rows as were asked for, or all that there are."""


def spread(world: World, places: list[Place], size: int, layout: str) -> dict[UUID, Chunks]:
    if layout == "even":
        return {place.space_id: world.chunks(size // len(places), TOPICS // 10) for place in places}
    others = size // 5 // (len(places) - 1)
    shares = {place.space_id: world.chunks(others, TOPICS // 10) for place in places[1:]}
    return shares | {places[0].space_id: world.chunks(size, TOPICS)}


async def measure(
    server: Server, database: Database, embedder: Embedder, target: Target, questions: list[str]
) -> Figures:
    retriever, space, owner = Retriever(database, embedder), target.place.space_id, target.place.owner
    prepared = [await retriever.prepare(question) for question in questions]

    async def search(query: PreparedQuery) -> int:
        return len(await retriever.search(owner, space, query, LIMIT))

    async def retrieve(question: str) -> None:
        await retriever.retrieve(owner, space, question)

    async def select_one(_: str) -> None:
        await database.fetch(owner, "select 1")

    async def scan(query: PreparedQuery) -> None:
        nearest(target.vectors, query.vector)

    wanted = min(LIMIT, len(target.ids))
    counts = [await search(query) for query in prepared]
    found = [await dense_recall(retriever, target, query) for query in prepared]
    cpu_before = database_cpu(server)
    searches = await timed(search, prepared)
    cpu = database_cpu(server) - cpu_before
    return Figures(
        search=searches,
        cpu=cpu / len(prepared) / TRIES * 1000,
        retrieve=await timed(retrieve, questions),
        select_one=await timed(select_one, questions),
        scan=await timed(scan, prepared),
        recall=sum(found) / len(found),
        complete=sum(count == wanted for count in counts) / len(counts),
    )


async def dense_recall(retriever: Retriever, target: Target, query: PreparedQuery) -> float:
    """Of the best 10 by an exact scan, the share that a search by vectors alone has."""
    alone = replace(query, lexemes={}, dense_weight=1.0)
    passages = await retriever.search(target.place.owner, target.place.space_id, alone, LIMIT)
    exact = {target.ids[row] for row in nearest(target.vectors, query.vector)}
    return len(exact & {passage.chunk_id for passage in passages}) / len(exact)


def nearest(vectors: FloatArray, query: FloatArray) -> list[int]:
    cosines = vectors @ query
    best = np.argpartition(-cosines, LIMIT)[:LIMIT] if len(cosines) > LIMIT else np.arange(len(cosines))
    return [int(row) for row in best[np.argsort(-cosines[best])]]


async def timed(call: Callable[[Input], Awaitable[object]], inputs: list[Input]) -> list[float]:
    """The best of three for each input, in milliseconds."""
    times = []
    for given in inputs:
        tries = []
        for _ in range(TRIES):
            began = time.perf_counter()
            await call(given)
            tries.append((time.perf_counter() - began) * 1000)
        times.append(min(tries))
    return times


async def run(sizes: list[int], queries: int) -> None:
    bundled = MiniLM()
    world = World(bundled)
    manifest = bundled.manifest
    embedder = Embedder(manifest.model, manifest.dimensions, frozenset({"en"}), bundled)
    questions = [world.question() for _ in range(queries)]
    print("milliseconds: best of three for each question; cpu: of the database, for a search")
    show(
        "chunks", "layout", "in space", "loading", "search", "p95", "cpu", "retrieve", "p95", "floor", "ratio", "recall"
    )
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            places = await make_places(database, PEOPLE, SPACES)
            for size in sizes:
                for layout in ("even", "one"):
                    began = time.perf_counter()
                    shares = spread(world, places, size, layout)
                    ids = await asyncio.to_thread(load, server.url, world.lexemes, shares, embedder.model)
                    seconds = time.perf_counter() - began
                    space = places[0].space_id
                    target = Target(places[0], ids[space], shares[space].vectors)
                    figures = await measure(server, database, embedder, target, questions)
                    report(size, layout, len(target.ids), seconds, figures)


def report(size: int, layout: str, in_space: int, loading: float, figures: Figures) -> None:
    middle = percentile(figures.search, 0.5)
    floor = percentile(figures.select_one, 0.5) + percentile(figures.scan, 0.5)
    show(
        f"{size:,}",
        layout,
        f"{in_space:,}",
        f"{loading:.0f} s",
        f"{middle:.1f}",
        f"{percentile(figures.search, 0.95):.1f}",
        f"{figures.cpu:.1f}",
        f"{percentile(figures.retrieve, 0.5):.1f}",
        f"{percentile(figures.retrieve, 0.95):.1f}",
        f"{floor:.2f}",
        f"{middle / floor:.1f}",
        f"{figures.recall:.3f}",
    )
    if figures.complete < 1:
        print(f"  {1 - figures.complete:.0%} of the searches gave fewer passages than there are")


def show(*cells: str) -> None:
    print("".join(f"{cell:>9}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="chunks")
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(run(options.sizes, options.queries))


if __name__ == "__main__":
    main()
