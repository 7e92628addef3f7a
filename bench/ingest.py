"""How much of the embedder's speed is left of it when documents go their whole way into search.

    python -m bench.ingest [--documents 20] [--rounds 2]

The way: a learner's transaction stores a document, the database enqueues a job, the worker cuts, embeds and stores it.
`notes` are as many chunks in documents of one or two each.
Floor: afterwards the same embedder over the same texts and nothing else, in the same process.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from sqlalchemy import insert

from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.knowledge.models import Document
from assistant.llm.embeddings import Embedder, FloatArray, VectorSource, build_embedder
from assistant.worker import Worker
from bench.database import Place, database_cpu, make_places, open_database
from bench.service import scratch

SECTIONS: Final = 10
SENTENCES: Final = 22
"""Of a section, which makes two chunks of it."""

LOOK_SECONDS: Final = 0.05

ADJECTIVES: Final = """
bright calm cold deep dry early empty fast firm flat full gentle green heavy high late light long low narrow new old
open plain quiet rough round sharp short slow small soft steady steep thick thin warm wet wide young
"""
NOUNS: Final = """
anchor boat bridge cell channel child city cloud coast current engine farmer field forest harbour hill house island
lamp leaf letter machine market meadow mill mountain music night number ocean paper path picture plant river road root
sail school sea seed shadow ship stone storm stream street sun table teacher tide tower tree valley village wall water
wave window winter wood
"""
VERBS: Final = """
bends carries changes covers crosses finds follows holds joins keeps leaves lifts makes meets moves needs passes pulls
pushes reaches shows slows stops takes touches turns warms watches
"""
FRAMES: Final = (
    "The {} {} {} the {} {}, and it {} the {} {}.",
    "When the {} {} {} a {} {}, nobody {} the {} {}.",
    "It is said that a {} {} {} every {} {} that {} the {} {}.",
)


def write_documents(count: int, sections: int) -> list[str]:
    random = np.random.default_rng(20261124)
    adjectives, nouns, verbs = ADJECTIVES.split(), NOUNS.split(), VERBS.split()

    def sentence() -> str:
        frame = FRAMES[int(random.integers(len(FRAMES)))]
        words = zip(random.choice(adjectives, 3), random.choice(nouns, 3), random.choice(verbs, 3), strict=True)
        return frame.format(*itertools.chain(*words))

    def section(number: int) -> str:
        return f"## Part {number}\n\n" + " ".join(sentence() for _ in range(SENTENCES))

    return ["\n\n".join(section(number) for number in range(sections)) for _ in range(count)]


class Recorder:
    """Passes texts on to the embedder, and keeps them as they came: its own work is measured with the same ones."""

    def __init__(self, source: VectorSource) -> None:
        self._source = source
        self.batches: list[Sequence[str]] = []

    async def encode_query(self, text: str) -> FloatArray:
        return await self._source.encode_query(text)

    async def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        self.batches.append(texts)
        return await self._source.encode_passages(texts)


@dataclass(frozen=True, slots=True)
class Speed:
    chunks: int
    seconds: float
    cpu: float
    """Processor seconds of this process and of the database for it."""

    @property
    def rate(self) -> float:
        return self.chunks / self.seconds


async def ingest(
    server: Server, database: Database, embedder: Embedder, places: list[Place], documents: list[str]
) -> Speed:
    """From the first document's transaction until the last one can be searched."""
    owner = places[0].owner
    async with Worker(server, database, embedder):
        cpu, began = cpu_of_all(server), time.perf_counter()
        for number, content in enumerate(documents):
            values = {"title": f"Document {number}", "content": content}
            async with database.session(owner) as session:
                await session.execute(insert(Document).values(space_id=places[number % len(places)].space_id, **values))
        chunks = await wait_for(database, places, len(documents))
        return Speed(chunks, time.perf_counter() - began, cpu_of_all(server) - cpu)


async def wait_for(database: Database, places: list[Place], documents: int) -> int:
    """Until so many documents of the places can be searched; the number of their chunks."""
    spaces = [place.space_id for place in places]
    while True:
        rows = await database.fetch(
            places[0].owner,
            "select status, count(*), sum(chunks) from assistant.document_indexing"
            " where space_id = any (%s) group by status",
            (spaces,),
        )
        states = {status: (count, chunks) for status, count, chunks in rows}
        assert "failed" not in states, "a document could not be indexed"
        ready, chunks = states.get("ready", (0, 0))
        if ready == documents:
            return int(chunks)
        await asyncio.sleep(LOOK_SECONDS)


async def embed_alone(server: Server, source: VectorSource, batches: list[Sequence[str]]) -> Speed:
    cpu, began = cpu_of_all(server), time.perf_counter()
    for batch in batches:
        await source.encode_passages(batch)
    return Speed(sum(map(len, batches)), time.perf_counter() - began, cpu_of_all(server) - cpu)


def cpu_of_all(server: Server) -> float:
    return database_cpu(server) + time.process_time()


async def run(count: int, rounds: int) -> None:
    bundled = build_embedder("bundled")
    await bundled.embed_query("loads the model")
    long, notes = write_documents(count, SECTIONS), write_documents(count * SECTIONS, 1)
    print(f"{'':18}{'chunks':>8}{'chunks/s':>10}{'embedder':>10}{'ratio':>7}   processor time for a chunk")
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            for _ in range(rounds):
                for name, spaces, documents in (
                    ("1 space", 1, long),
                    ("5 spaces", 5, long),
                    ("1 space, notes", 1, notes),
                ):
                    recorder = Recorder(bundled.source)
                    places = await make_places(database, 1, spaces)
                    path = await ingest(server, database, replace(bundled, source=recorder), places, documents)
                    report(name, path, await embed_alone(server, bundled.source, recorder.batches))


def report(name: str, path: Speed, floor: Speed) -> None:
    cpu, least = path.cpu / path.chunks * 1000, floor.cpu / floor.chunks * 1000
    print(
        f"{name:18}{path.chunks:>8}{path.rate:>10.1f}{floor.rate:>10.1f}{path.rate / floor.rate:>7.2f}"
        f"   {cpu:.1f} ms, the embedder alone {least:.1f} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    asyncio.run(run(options.documents, options.rounds))


if __name__ == "__main__":
    main()
