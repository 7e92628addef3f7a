"""The worker, from start to stop."""

import asyncio

import pytest

from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.llm.embeddings import build_embedder
from assistant.worker import Worker


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 5, 8, 12, 15, 20, 30, 50])
async def test_a_worker_that_is_stopped_while_it_starts_stops(
    server: Server, database: Database, milliseconds: int
) -> None:
    worker = Worker(server, database, build_embedder("bundled"))
    worker.start()
    await asyncio.sleep(milliseconds / 1000)
    async with asyncio.timeout(30):
        await worker.stop()


async def test_a_worker_can_be_started_again(server: Server, database: Database) -> None:
    worker = Worker(server, database, build_embedder("bundled"))
    for _ in range(2):
        async with asyncio.timeout(30), worker:
            pass
