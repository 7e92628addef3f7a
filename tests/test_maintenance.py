"""While the service is being looked after, everybody is told to come back, and nothing is opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from assistant.maintenance import create_maintenance_app
from tests.fixtures.database import make_settings
from tests.fixtures.http import LiveService, serve_app
from tests.fixtures.processes import installed


@pytest.fixture(scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveService]:
    settings = make_settings(tmp_path_factory.mktemp("none") / "data")
    async with serve_app(create_maintenance_app(), settings) as service:
        yield service
    assert not settings.data_dir.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/health/ready"), ("GET", "/api/goals"), ("POST", "/auth/token"), ("DELETE", "/api/goals/x"),
     ("OPTIONS", "/api/goals"), ("POST", "/api/spaces/x/agent"), ("GET", "/widget.js"), ("PUT", "/health/live/x")],
)  # fmt: skip
async def test_everything_is_told_to_come_back(closed: LiveService, method: str, path: str) -> None:
    async with closed.client() as http:
        response = await http.request(method, path)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "60"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert (response.json()["status"], response.json()["code"]) == (503, "maintenance")


async def test_the_process_is_alive(closed: LiveService) -> None:
    async with closed.client() as http:
        response = await http.get("/health/live")
    assert (response.status_code, response.json()["status"]) == (200, "live")


async def test_sockets_are_refused_before_their_handshake(closed: LiveService) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            f"ws://{closed.host}/api/spaces/x/agent/ws", subprotocols=[websockets.Subprotocol("ag-ui.v1")]
        )
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "60"


async def test_the_command_serves_it_without_a_database_and_ends_in_order(tmp_path: Path) -> None:
    async with installed(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none") as installation:
        running = await installation.start("serve", "--maintenance", "--port", "0")
        assert "answers 503 until this is ended" in await running.said("Maintenance")
        assert await running.end() == 0
        assert "The maintenance has ended." in running.out
        assert not installation.data_dir.exists()
