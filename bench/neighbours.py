"""Does the time of a search tell what is in somebody else's space?

    python -m bench.neighbours [--searches 2000]

A learner searches their space of 1,000 chunks; a neighbour's space of as many holds the very same texts in every other
round, and nothing in the rest. Half of the searches are made with them, half without, in turns. What counts is the
difference of the two medians; the floor is that of the first and second half of the searches without them.
"""

import argparse
import asyncio
from statistics import median
from typing import Final

from assistant.db.engine import libpq_url
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.search import search_statement
from assistant.llm.bundled import MiniLM
from assistant.llm.embeddings import Embedder
from bench.database import make_places, open_database
from bench.loading import load
from bench.rls import timed
from bench.service import scratch
from bench.synthetic import TOPICS, World

CHUNKS: Final = 1000
ROUNDS: Final = 10
LIMIT: Final = 10


async def run(searches: int) -> None:
    bundled = MiniLM()
    world = World(bundled)
    embedder = Embedder(bundled.manifest.model, bundled.manifest.dimensions, frozenset({"en"}), bundled)
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            url = libpq_url(server.url)
            mine, neighbour = await make_places(database, 2, 1)
            texts = world.chunks(CHUNKS, TOPICS)
            prepared = await Retriever(database, embedder).prepare(world.question())
            sql, values = search_statement(mine.space_id, prepared, limit=LIMIT)
            alone: list[float] = []
            beside: list[float] = []
            for times, spaces in [(alone, [mine]), (beside, [mine, neighbour])] * ROUNDS:
                shares = {place.space_id: texts for place in spaces}
                await asyncio.to_thread(load, server.url, world.lexemes, shares, embedder.model)
                more, found = await asyncio.to_thread(timed, url, mine.owner, sql, values, searches // ROUNDS // 2)
                assert found == LIMIT, f"{found} passages"
                times += more
    report(alone, beside)


def report(alone: list[float], beside: list[float]) -> None:
    early, late = alone[: len(alone) // 2], alone[len(alone) // 2 :]
    print(f"{len(alone) + len(beside)} searches")
    print(f"nothing beside it       median {median(alone):.3f} ms")
    print(f"the same texts beside   median {median(beside):.3f} ms   {median(beside) / median(alone) - 1:+.1%}")
    print(f"floor: later searches with nothing beside them against earlier   {median(late) / median(early) - 1:+.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=2000)
    asyncio.run(run(parser.parse_args().searches))


if __name__ == "__main__":
    main()
