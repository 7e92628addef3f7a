"""A database that goes away: what needs it says so, what runs goes on, and nothing has to be restarted afterwards."""

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx2
import pytest

from assistant.db.embedded import EmbeddedServer, start_embedded
from tests.e2e.conftest import KeywordModel, Learner, RefusedError, Seed, eventually, numbers, text_of
from tests.fixtures.processes import Installation, Service, database_processes
from tests.fixtures.scripted_model import Reply, say


@pytest.fixture(scope="module")
async def installation(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    copied = seed.installation.copy_to(tmp_path_factory.mktemp("database"), ANTHROPIC_BASE_URL=model.base_url)
    model.on("hello", say("Good ", "day."))
    try:
        yield copied
    finally:
        await copied.close()


@pytest.fixture
async def service(installation: Installation) -> Service:
    """The same for all tests: it must get over what each of them does."""
    return await installation.running_service()


async def bring_back(installation: Installation) -> None:
    """As any other process of this installation would. The service itself does not start a database anew."""
    share: EmbeddedServer = await start_embedded(installation.data_dir)
    await asyncio.to_thread(share.close)


async def has_status(http: httpx2.AsyncClient, path: str, status: int) -> bool:
    return (await http.get(path)).status_code == status


def check_problem(response: httpx2.Response) -> None:
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "database_unavailable"
    assert int(response.headers["retry-after"]) > 0


async def test_gone_while_nothing_happens(installation: Installation, service: Service, seed: Seed) -> None:
    async with service.client(seed.token) as http:
        ada = Learner(http, seed.space)
        before = await ada.messages()
        installation.kill_database()
        for path in ("/api/me", f"/api/spaces/{seed.space}/messages", f"/api/spaces/{seed.space}/search?q=knot"):
            check_problem(await http.get(path))
        check_problem(await http.post("/api/goals", json={"title": "Not now"}))
        with pytest.raises(RefusedError) as refused:
            await ada.ask("hello", "t-idle", message="m-idle")
        assert (refused.value.status, refused.value.problem["code"]) == (503, "database_unavailable")
        assert int(refused.value.headers["retry-after"]) > 0
        await eventually(lambda: has_status(http, "/health/ready", 503), 5)
        assert await has_status(http, "/health/live", 200)

        await bring_back(installation)
        await eventually(lambda: has_status(http, "/health/ready", 200), 15)
        assert await ada.messages() == before
        assert text_of(await ada.ask("hello", "t-idle", message="m-idle")) == "Good day."
        assert (await http.post("/api/goals", json={"title": "Now"})).status_code == 201
        assert len(await ada.messages("t-idle")) == 2


async def test_gone_in_mid_answer(
    installation: Installation, service: Service, model: KeywordModel, seed: Seed
) -> None:
    steps, is_gone = say("Before, ", "and ", "after.").steps, asyncio.Event()
    model.on("through the storm", Reply([*steps[:3], is_gone, *steps[3:]]))
    async with service.client(seed.token) as http:
        ada = Learner(http, seed.space)
        async with ada.begin("through the storm", "t-mid", run="r-mid") as turn:
            await turn.until("TEXT_MESSAGE_CONTENT")
            installation.kill_database()
            is_gone.set()
            await asyncio.sleep(1)
            await bring_back(installation)
            events = await turn.rest()
        assert events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR")
        assert numbers(events) == list(range(1, len(events) + 1))
        assert await ada.replay("r-mid") == events
        question, answer = await ada.messages("t-mid")
        assert question["message"] == "through the storm"
        assert answer["message"] == text_of(events) == "Before, and after."
        assert text_of(await ada.ask("hello", "t-mid")) == "Good day."


async def test_frozen(installation: Installation, service: Service, seed: Seed) -> None:
    """Nothing is refused, nothing answers: the worst of all."""
    async with service.client(seed.token) as http:
        assert await has_status(http, "/api/me", 200)
        for process in database_processes(installation.data_dir):
            process.send_signal(signal.SIGSTOP)
        try:
            check_problem(await http.get("/api/me"))
            assert await has_status(http, "/health/ready", 503)
            assert await has_status(http, "/health/live", 200)
        finally:
            for process in database_processes(installation.data_dir):
                process.send_signal(signal.SIGCONT)
        await eventually(lambda: has_status(http, "/health/ready", 200), 15)
        assert text_of(await Learner(http, seed.space).ask("hello")) == "Good day."
