"""The command as people use it: what it prints, how it ends, and that it leaves nothing running."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from assistant.sample.content import QUESTION
from tests.e2e.conftest import KeywordModel, Learner, Seed, eventually, numbers, text_of
from tests.fixtures.processes import Done, Installation, Running, database_processes, installed
from tests.fixtures.scripted_model import Reply, say

BOWLINE: Final = "Which knot makes a fixed loop?"


@pytest.fixture(scope="module")
async def offline(seed: Seed, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """Without a model."""
    copied = seed.installation.copy_to(tmp_path_factory.mktemp("offline"))
    try:
        yield copied
    finally:
        await copied.close()


async def test_the_demo_from_nothing_twice(tmp_path: Path) -> None:
    async with installed(tmp_path / "demo") as installation:
        for _ in range(2):
            shown = await installation.ok("demo", "--no-serve")
            assert QUESTION in shown
            answer, _, sources = shown.partition("Sources")
            assert "[1]" in answer
            assert "[1]" in sources
            assert "Right of way" in sources
        assert not database_processes(installation.data_dir)


@pytest.fixture(scope="module")
async def said(offline: Installation, seed: Seed) -> dict[str, Done]:
    """What several questions come to, asked side by side."""
    questions: dict[str, tuple[tuple[str, ...], str]] = {
        "one": ((seed.space, BOWLINE), ""),
        "of a program": ((seed.space, BOWLINE, "--json"), ""),
        "through a pipe": ((seed.space,), f"{BOWLINE}\n\nAnd which one fastens a fender?\n"),
        "to nobody": ((str(uuid4()), BOWLINE), ""),
        "of nothing": ((seed.space, " "), ""),
    }
    answers = [offline.run("chat", *arguments, stdin=stdin) for arguments, stdin in questions.values()]
    return dict(zip(questions, await asyncio.gather(*answers), strict=True))


def test_a_question(said: dict[str, Done]) -> None:
    assert said["one"].code == 0
    assert "The bowline makes a fixed loop" in said["one"].out
    assert "Sources" in said["one"].out
    assert "[1] Knots" in said["one"].out
    assert said["one"].err == ""


def test_a_question_of_a_program(said: dict[str, Done]) -> None:
    events = [json.loads(line) for line in said["of a program"].out.splitlines()]
    assert numbers(events) == list(range(1, len(events) + 1))
    assert events[-1]["outcome"] == {"type": "success"}
    assert any(event.get("name") == "citations" for event in events)


def test_a_conversation_through_a_pipe(said: dict[str, Done]) -> None:
    assert said["through a pipe"].code == 0
    assert "The bowline makes a fixed loop" in said["through a pipe"].out
    assert "The clove hitch fastens a fender" in said["through a pipe"].out


@pytest.mark.parametrize("name", ["to nobody", "of nothing"])
def test_a_question_that_cannot_be_asked(said: dict[str, Done], name: str) -> None:
    assert (said[name].code, said[name].out) == (1, "")
    (line,) = said[name].err.splitlines()
    assert line.startswith("goalspace: ")


async def test_a_worker_indexes_what_a_server_takes_in(offline: Installation, seed: Seed) -> None:
    worker = await offline.start("worker")
    service = await offline.serve()
    await worker.said("is ready")
    async with service.client(seed.token) as http:
        body = {"title": "Anchors", "content": "The plough anchor holds in sand.", "content_type": "text"}
        made = (await http.post(f"/api/spaces/{seed.space}/documents", json=body)).raise_for_status().json()

        async def is_ready() -> bool:
            document = (await http.get(f"/api/documents/{made['id']}")).raise_for_status().json()
            return bool(document["indexing"]["status"] == "ready")

        await eventually(is_ready)
        found = (await http.get(f"/api/spaces/{seed.space}/search", params={"q": "plough anchor"})).json()["items"]
        assert found[0]["document_id"] == made["id"]
    assert await worker.end(signal.SIGTERM) == 0
    assert await service.end() == 0
    assert service.out.splitlines()[-1] == "GoalSpace has stopped."
    assert not database_processes(offline.data_dir)


async def test_two_processes_share_the_work(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gate = asyncio.Event()
    steps = say("Each ", "word ", "counts.").steps
    model.on("Who answers", Reply([*steps[:3], gate, *steps[3:]]))
    installation = seed.installation.copy_to(tmp_path_factory.mktemp("two"), ANTHROPIC_BASE_URL=model.base_url)
    try:
        service = await installation.serve("--workers", "2")
        async with service.client(seed.token) as http:
            ada = Learner(http, seed.space)
            turns = [await ada.begin("Who answers?", f"t-{n}", run=f"r-{n}").__aenter__() for n in range(8)]
            # Connections of their own: whichever process takes one, it has every run, by itself or from the other.
            async with service.client(seed.token) as other:
                followers = asyncio.gather(*(Learner(other, seed.space).replay(f"r-{n}") for n in range(8)))
                await asyncio.sleep(0.2)
                gate.set()
                answers = [await turn.rest() for turn in turns]
                assert await followers == answers
        assert all(text_of(events) == "Each word counts." for events in answers)
        assert await service.end() == 0
        assert "Traceback" not in service.err
        assert not database_processes(installation.data_dir)
    finally:
        await installation.close()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_command_that_is_ended_leaves_no_database(
    offline: Installation, seed: Seed, by: signal.Signals, code: int
) -> None:
    (offline.folder / "many").mkdir(exist_ok=True)
    for number in range(300):
        (offline.folder / f"many/{by.name}-{number}.md").write_text(
            f"# Knot {number}\n\n" + f"Knot {number} holds. " * 200
        )
    command: Running = await offline.start("ingest", seed.space, "many")
    await eventually(lambda: has_database(offline))
    await asyncio.sleep(1)
    assert await command.end(by) == code
    assert "Traceback" not in command.err
    assert not database_processes(offline.data_dir)


async def has_database(installation: Installation) -> bool:
    return bool(database_processes(installation.data_dir))
