"""The package's client against the running service, in Node."""

import asyncio

import pytest

from assistant.cli.types import Node
from tests.clients.conftest import Compiled
from tests.fixtures.http import LiveService


@pytest.mark.node
async def test_the_client_does_all_that_a_learner_does(compiled: Compiled, node: Node, api: LiveService) -> None:
    assert compiled.faults.get("service.test.ts") is None
    process = await asyncio.create_subprocess_exec(
        str(node.program),
        "--test-reporter=spec",
        str(compiled.scripts / "service.test.js"),
        env={"SERVICE_ADDRESS": api.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
    assert process.returncode == 0, said
    assert "tests 11" in said
