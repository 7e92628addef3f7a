"""Every answer is as the contract says, whatever was asked, and by whom."""

from collections.abc import AsyncIterator

import pytest

from assistant.app import create_app
from assistant.db.session import Database
from assistant.settings import Settings
from tests.fixtures.http import LiveService, serve_app
from tests.fuzz.contract import ACTORS, Ground, fuzz, prepare, unlimited


@pytest.fixture(scope="module")
async def live(settings: Settings, server: object) -> AsyncIterator[LiveService]:
    patient = unlimited(settings)
    async with serve_app(create_app(patient), patient) as opened:
        yield opened


@pytest.fixture(scope="module")
async def ground(live: LiveService, database: Database) -> AsyncIterator[Ground]:
    async with prepare(live, database) as prepared:
        yield prepared


@pytest.mark.parametrize("actor", ACTORS)
async def test_answers_are_as_the_contract_says(actor: str, live: LiveService, ground: Ground) -> None:
    phases = "coverage,fuzzing" if actor == "member" else "fuzzing"
    code, report = await fuzz(live, ground, actor, examples=2, phases=phases, seed=20261125)
    assert code == 0, report
