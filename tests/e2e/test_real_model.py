"""A real model behind the service: llama.cpp answers a question, from the message to the stored, cited answer."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import KNOTS, Learner, Seed, numbers, text_of
from tests.fixtures import local_model

pytestmark = pytest.mark.skipif(
    not local_model.is_installed(), reason="needs requirements/local-model.txt, which `make test` installs"
)


@pytest.fixture
async def model_address() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fixtures.local_model", stdout=-1, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def test_a_question_is_answered(model_address: str, seed: Seed, tmp_path_factory: pytest.TempPathFactory) -> None:
    installation = seed.installation.copy_to(
        tmp_path_factory.mktemp("real"), ANTHROPIC_BASE_URL=model_address, GOALSPACE_MODEL=local_model.NAME
    )
    try:
        service = await installation.serve()
        async with service.client(seed.token) as http:
            ada = Learner(http, seed.space)
            events = await ada.ask("Which knot makes a fixed loop?", "t-1")
            assert events[-1]["type"] == "RUN_FINISHED", events[-1]
            assert events[-1]["outcome"] == {"type": "success"}
            assert numbers(events) == list(range(1, len(events) + 1))
            question, answer = await ada.messages("t-1")
            usage = (await http.get("/api/me/usage")).raise_for_status().json()
    finally:
        await installation.close()
    assert question["status"] == answer["status"] == "completed"
    assert answer["message"] == text_of(events)
    assert len(answer["message"]) > 10
    (used,) = answer["metadata"]["usage"]
    assert used["model"] == answer["metadata"]["model"] == local_model.NAME
    assert used["inputTokens"] > 500  # the prompt, the passages, the question
    assert used["outputTokens"] > 3
    assert used["totalTokens"] == used["inputTokens"] + used["outputTokens"]
    assert not answer["metadata"]["usage_estimated"]
    assert str(used["totalTokens"]) in str(usage)
    (citation,) = answer["citations"]
    assert citation["quote"] in KNOTS
