"""What a turn with a tool costs beside the same two calls of the model, made directly with the provider's SDK.

    python -m bench.tools [--turns 60]

The stub of the model asks for `list_tasks`, gets its result, and answers with a text. Ours does all else that a turn
causes as well: see bench/turn.py. The two take turns, one at a time, from the question to the last event.
"""

import argparse
import asyncio
import time
from statistics import median
from typing import Any, Final

import anthropic

from bench.service import percentile, running_service, scratch, stub_model
from bench.turn import QUESTION, over_socket, prepare

TOOL: Final = "list_tasks"
MODEL: Final = "claude-haiku-5-5"


async def two_calls(client: anthropic.AsyncAnthropic) -> float:
    """Seconds for what the mentor says to the model in such a turn, and nothing around it."""
    began = time.perf_counter()
    tools: Any = [{"name": TOOL, "description": "List tasks.", "input_schema": {"type": "object", "properties": {}}}]
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    first = await _call(client, messages, tools)
    use = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": '{"status":"done","tasks":[],"total":0}'}
    messages += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    await _call(client, messages, tools)
    return time.perf_counter() - began


async def _call(client: anthropic.AsyncAnthropic, messages: list[Any], tools: Any) -> anthropic.types.Message:
    async with client.messages.stream(model=MODEL, max_tokens=1024, messages=messages, tools=tools) as stream:
        return await stream.get_final_message()


async def measure(model: str, service: str, learner: Any, turns: int) -> tuple[list[float], list[float]]:
    client = anthropic.AsyncAnthropic(api_key="none", base_url=model)
    ask, close = await over_socket(service, learner)
    floor, ours = [], []
    for _ in range(5):
        await two_calls(client)
        await ask()
    for _ in range(turns):
        floor.append(await two_calls(client))
        began = time.perf_counter()
        await ask()
        ours.append(time.perf_counter() - began)
    await close()
    await client.close()
    return floor, ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=60)
    options = parser.parse_args()
    with scratch() as data_dir, stub_model(tool=TOOL) as model:
        [learner] = prepare(data_dir, 1)
        with running_service(data_dir, ANTHROPIC_BASE_URL=model.address) as service:
            floor, ours = asyncio.run(measure(model.address, service.address, learner, options.turns))
    print(f"a turn with one tool that reads, {options.turns} times\n\n{'':14} median       p95")
    for name, times in (("two calls", floor), ("the service", ours)):
        print(f"{name:14} {median(times) * 1000:6.1f} ms {percentile(times, 0.95) * 1000:6.1f} ms")
    print(f"\n{(median(ours) - median(floor)) * 1000:+.1f} ms; wanted: at most +20")


if __name__ == "__main__":
    main()
