"""The table of who may do what holds through HTTP, and speaks of every endpoint."""

from collections.abc import AsyncIterator

import pytest

from assistant.db.setup import Server
from assistant.settings import Settings
from tests.rls.endpoints import ENDPOINTS, Endpoint, Ground, prepare, without_a_row, wrong_answers


@pytest.fixture(scope="module")
async def ground(settings: Settings, server: Server) -> AsyncIterator[Ground]:
    async with prepare(settings, server) as prepared:
        yield prepared


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_each_actor_gets_exactly_what_the_table_says(endpoint: Endpoint, ground: Ground) -> None:
    assert not await wrong_answers(endpoint, ground)


async def test_the_table_speaks_of_every_endpoint(ground: Ground) -> None:
    assert not without_a_row((await ground.http.get("/schema/openapi.json")).json())


def test_no_two_rows_have_one_name() -> None:
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)
