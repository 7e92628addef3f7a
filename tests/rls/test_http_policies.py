"""The table of who may do what holds through HTTP, and speaks of every endpoint."""

from collections.abc import AsyncIterator

import pytest

from assistant.db.setup import Server
from assistant.settings import Settings
from tests.rls.endpoints import (
    ENDPOINTS,
    Endpoint,
    Ground,
    fields_of,
    holds,
    prepare,
    send,
    without_a_row,
    wrong_answers,
)


@pytest.fixture(scope="module")
async def ground(settings: Settings, server: Server) -> AsyncIterator[Ground]:
    async with prepare(settings, server) as prepared:
        yield prepared


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_each_actor_gets_exactly_what_the_table_says(endpoint: Endpoint, ground: Ground) -> None:
    assert not await wrong_answers(endpoint, ground)


async def test_the_table_speaks_of_every_endpoint(ground: Ground) -> None:
    assert not without_a_row((await ground.http.get("/schema/openapi.json")).json())


def is_written_by_owner(endpoint: Endpoint) -> bool:
    return endpoint.body is not None and holds(endpoint.cells, "owner", "shared")


async def test_what_is_shown_and_not_asked_for_can_not_be_sent(ground: Ground) -> None:
    """Each field of an answer that is no field of the request is refused by name, whatever its value."""
    contract = (await ground.http.get("/schema/openapi.json")).json()
    writes = {f"{endpoint.method} {endpoint.path}": endpoint for endpoint in ENDPOINTS if is_written_by_owner(endpoint)}
    tried = 0
    for endpoint in writes.values():
        operation = contract["paths"][endpoint.path][endpoint.method.lower()]
        asked, shown = fields_of(contract, operation["requestBody"]), fields_of(contract, operation["responses"])
        for field in sorted(shown - asked) if asked else ():
            tried += 1
            answer = await send(endpoint, ground, field)
            assert answer.status_code == 422, f"{endpoint.name}: {field}"
            assert [error["path"] for error in answer.json()["errors"]] == [field], endpoint.name
    assert tried > 100


def test_no_two_rows_have_one_name() -> None:
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)
