"""How much of what a conversation sends to the model is read from the provider's cache.

    python -m bench.cache [--turns 20]

One conversation with one system prompt and one set of tools, over the service, against a double of the Messages API
that caches prompts by the provider's rules and compares them byte for byte (tests/fixtures/caching_model.py). What is
not read from the cache is the new question with its passages, and what the model said to the one before.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from bench.service import running_service, scratch
from bench.turn import Learner, prepare
from tests.fixtures.caching_model import CachingModel, answer_with_tools


async def converse(address: str, learner: Learner, turns: int) -> None:
    headers = {"authorization": f"Bearer {learner.token}"}
    thread = uuid4().hex
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        for number in range(turns):
            question = f"How many turns does knot number {number * 3} make around a post?"
            message = {"id": uuid4().hex, "role": "user", "content": question}
            body: dict[str, Any] = {"threadId": thread, "runId": uuid4().hex, "messages": [message]}
            answer = await client.post(f"/api/spaces/{learner.space}/agent", json=body)
            last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
            assert last["type"] == "RUN_FINISHED", last


async def measure(data_dir: Path, turns: int) -> CachingModel:
    [learner] = await asyncio.to_thread(prepare, data_dir, 1)
    async with CachingModel(answer_with_tools) as model:
        service = running_service(data_dir, ANTHROPIC_BASE_URL=model.base_url)
        process = await asyncio.to_thread(service.__enter__)
        try:
            await converse(process.address, learner, turns)
        finally:
            await asyncio.to_thread(service.__exit__, None, None, None)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    with scratch() as data_dir:
        model = asyncio.run(measure(data_dir, options.turns))
    print(f"{options.turns} turns, {len(model.sent)} calls of the model\n")
    for name, read, sent in (
        ("all calls", sum(model.read), sum(model.sent)),
        ("all but the first", sum(model.read[1:]), sum(model.sent[1:])),
        ("the last call", model.read[-1], model.sent[-1]),
    ):
        print(f"{name:18} {sent:8} tokens sent, {read:8} of them from the cache: {read / sent:.0%}")


if __name__ == "__main__":
    main()
