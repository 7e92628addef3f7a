"""Many files that are made to harm, beside a good one of somebody else."""

import asyncio
from uuid import UUID

import pytest

from assistant.knowledge.chunking import FEW_WORDS
from assistant.knowledge.extraction import Extracted
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.indexing import MAX_CHUNKS
from assistant.knowledge.ingestion import Found
from tests.fixtures.api import Caller, MakeCaller, open_space
from tests.fixtures.files import make_pdf
from tests.fixtures.http import LiveService
from tests.knowledge.test_routes import settled, upload

MEMORY = 160 * 1024 * 1024
BOMB = b"<html>" + b"<p>a<b>b</b>" * 300_000
"""Takes more memory than that: the process which reads it is replaced afterwards."""

DAMAGED = make_pdf([[(11, 50, 700, "words")]])[:200]
SCATTERED = "".join(f"# {number}\n\n{'a ' * FEW_WORDS}\n\n" for number in range(MAX_CHUNKS + 1))
"""Too many sections to be indexed, which is seen only when it is cut."""

BOMBS, OTHERS = 6, 6


@pytest.fixture
async def ada(make_caller: MakeCaller) -> Caller:
    """Through HTTP, where other tests of this folder go by the services."""
    return await make_caller()


@pytest.fixture
async def bob(make_caller: MakeCaller) -> Caller:
    return await make_caller()


async def test_many_poisonous_files_of_one_person_hold_up_nobody(
    ada: Caller, bob: Caller, api: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    gatherer = api.app.state.services.gatherer
    here, there = [str((await open_space(caller))["id"]) for caller in (ada, bob)]
    reached = asyncio.Queue[None]()
    read = gatherer.read

    async def read_and_say(found: Found, owner: UUID) -> Extracted:
        reached.put_nowait(None)
        extracted: Extracted = await read(found, owner)
        return extracted

    async with Readers(memory=MEMORY) as readers:
        monkeypatch.setattr(gatherer, "_readers", readers)
        monkeypatch.setattr(gatherer, "read", read_and_say)
        path = f"/api/spaces/{there}/documents"
        stored = [await bob.make(path, {"title": str(number), "content": SCATTERED}) for number in range(OTHERS)]
        files = [("bomb.html", BOMB)] * BOMBS + [("damaged.pdf", DAMAGED)] * OTHERS
        bad = [asyncio.create_task(upload(bob, there, *file)) for file in files]
        async with asyncio.timeout(30):
            for _ in files:
                await reached.get()
            good = await upload(ada, here, "knots.pdf", make_pdf([[(11, 50, 700, "The bowline makes a loop.")]]))
        assert sum(task.done() for task in bad[:BOMBS]) < BOMBS // 2, "it did not wait for all of them"
        assert good.status_code == 201, good.text
        assert (await settled(ada, good.json()["id"]))["indexing"]["status"] == "ready"
        answers = await asyncio.gather(*bad)
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (413, "Reading the file takes more memory than the 160 MiB that it may have."),
        (422, "The PDF is damaged: it ends too early, or was changed on its way."),
    }
    for document in stored:
        indexing = (await settled(bob, document["id"]))["indexing"]
        assert indexing["status"] == "failed"
        assert indexing["error"] == f"The document has {MAX_CHUNKS + 1} sections; at most {MAX_CHUNKS} fit."
    assert len((await bob.get(path)).json()["items"]) == OTHERS
    [found] = (await ada.get(f"/api/spaces/{here}/search", params={"q": "which knot makes a loop?"})).json()["items"]
    assert found["document_id"] == good.json()["id"]
