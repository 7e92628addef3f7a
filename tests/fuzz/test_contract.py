"""Every answer is as the contract says, whatever was asked, and by whom."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from assistant.app import create_app
from assistant.db.session import Database
from assistant.settings import Settings
from tests.fixtures.http import LiveService, serve_app
from tests.fuzz.contract import Ground, fuzz, prepare, unlimited


@pytest.fixture(scope="module")
async def live(settings: Settings, server: object) -> AsyncIterator[LiveService]:
    patient = unlimited(settings)
    async with serve_app(create_app(patient), patient) as opened:
        yield opened


@pytest.fixture(scope="module")
async def ground(live: LiveService, database: Database) -> AsyncIterator[Ground]:
    async with prepare(live, database) as prepared:
        yield prepared


async def test_answers_are_as_the_contract_says(live: LiveService, ground: Ground) -> None:
    """All three at once, which costs little more than the member alone."""
    reports = await asyncio.gather(
        *(
            fuzz(live, ground, actor, examples=2, phases=phases, seed=20261125)
            for actor, phases in (("member", "coverage,fuzzing"), ("stranger", "fuzzing"), ("anonymous", "fuzzing"))
        )
    )
    assert [code for code, _ in reports] == [0, 0, 0], "\n".join(report for code, report in reports if code)
    async with live.client(ground.tokens["member"]) as http:
        assert (await http.get("/api/me")).status_code == 200, "somebody is left who was let in"
