"""What a turn of the mentor costs beside a direct call of the provider's SDK, to the same stub of the model.

    python -m bench.turn [--clients 50] [--turns 400] [--workers 1]

Floor: `anthropic`'s client streaming the same answer from the same local server. A turn is everything that a learner's
message causes: the question stored, its passages found (embedding included), the context built, the model's answer
streamed and logged, citations and usage stored. Clients are as light as they can be, since they share the machine.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import anthropic
import websockets

from bench.service import goalspace, memory, percentile, running_service, scratch, stub_model

DOCUMENT = "# Knots\n\n" + "\n\n".join(
    f"## Knot {n}\n\nKnot number {n} makes a loop of {n} turns around a post, and holds a load of {n * 10} kilograms."
    for n in range(60)
)
QUESTION = "How many turns does knot number 17 make around a post?"


@dataclass(frozen=True, slots=True)
class Learner:
    token: str
    space: str


Ask = Callable[[], Awaitable[float]]
"""One turn; seconds to the first token."""


def prepare(data_dir: Path, people: int) -> list[Learner]:
    """People, each with a space that holds the same document, indexed."""
    document = data_dir / "knots.md"
    document.write_text(DOCUMENT)
    learners = []
    for number in range(people):
        email = f"learner{number}@example.org"
        goalspace(data_dir, "user", "create", email, "--tier", "enterprise")
        space = goalspace(data_dir, "space", "create", "--user", email, "--goal", "Knots", "--title", "Knots")
        goalspace(data_dir, "ingest", space, str(document))
        learners.append(Learner(goalspace(data_dir, "token", email, "--ttl", "86400"), space))
    return learners


def run_input(thread: str) -> str:
    message = {"id": uuid4().hex, "role": "user", "content": QUESTION}
    return json.dumps({"threadId": thread, "runId": uuid4().hex, "messages": [message]})


async def direct(model_url: str) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    client = anthropic.AsyncAnthropic(api_key="none", base_url=model_url)

    async def ask() -> float:
        began, first = time.perf_counter(), 0.0
        async with client.messages.stream(
            model="claude-haiku-5-5", max_tokens=1024, messages=[{"role": "user", "content": QUESTION}]
        ) as stream:
            async for _ in stream.text_stream:
                first = first or time.perf_counter() - began
        return first

    return ask, client.close


async def over_socket(address: str, learner: Learner) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    url = address.replace("http", "ws", 1) + f"/api/spaces/{learner.space}/agent/ws"
    protocols = ["ag-ui.v1", f"bearer.{learner.token}"]
    opened = await websockets.connect(url, subprotocols=protocols, compression=None)  # type: ignore[arg-type]

    async def ask() -> float:
        began, first = time.perf_counter(), 0.0
        await opened.send(run_input(uuid4().hex))
        while True:
            frame = await opened.recv()
            if not first and "TEXT_MESSAGE_CONTENT" in frame[:40]:
                first = time.perf_counter() - began
            if "RUN_FINISHED" in frame[:40]:
                return first
            assert "RUN_ERROR" not in frame[:40], frame

    return ask, opened.close


async def over_sse(address: str, learner: Learner) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    """A bare HTTP/1.1 client on a connection that is kept."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /api/spaces/{learner.space}/agent HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {learner.token}\r\n"
        "content-type: application/json\r\naccept: text/event-stream\r\ncontent-length: {}\r\n\r\n"
    )

    async def ask() -> float:
        body = run_input(uuid4().hex)
        began, first = time.perf_counter(), 0.0
        writer.write((head.format(len(body)) + body).encode())
        while (line := await reader.readline()) != b"0\r\n":
            assert line, "the connection was closed"
            assert b'"RUN_ERROR"' not in line, line
            if not first and b"TEXT_MESSAGE_CONTENT" in line:
                first = time.perf_counter() - began
        await reader.readline()
        return first

    async def close() -> None:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    return ask, close


Connect = Callable[[int], Awaitable[tuple[Ask, Callable[[], Awaitable[None]]]]]


@contextlib.asynccontextmanager
async def clients(connect: Connect, count: int) -> AsyncIterator[list[Ask]]:
    opened = [await connect(number) for number in range(count)]
    try:
        yield [ask for ask, _ in opened]
    finally:
        for _, close in opened:
            await close()


async def first_token(connect: Connect, turns: int) -> float:
    """Median seconds to the first token, one client."""
    async with clients(connect, 1) as (ask,):
        for _ in range(5):
            await ask()
        return percentile([await ask() for _ in range(turns)], 0.5)


async def rate(connect: Connect, count: int, turns: int) -> float:
    """Turns per second with `count` clients that each ask again as soon as they have their answer."""
    left = turns

    async def keep_asking(ask: Ask) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    async with clients(connect, count) as asks:
        for ask in asks:
            await ask()
        began = time.perf_counter()
        await asyncio.gather(*(keep_asking(ask) for ask in asks))
        return turns / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--turns", type=int, default=400, help="per measurement of turns per second")
    parser.add_argument(
        "--people", type=int, default=2, help="learners, each with a space; clients are spread over them"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--deltas", type=int, default=64)
    options = parser.parse_args()
    with scratch() as data_dir, stub_model(options.deltas) as model:
        learners = prepare(data_dir, options.people)
        with running_service(data_dir, workers=options.workers, ANTHROPIC_BASE_URL=model.address) as service:
            idle = memory(service.pid)
            asyncio.run(measure(model.address, service.address, learners, options))
            busy = memory(service.pid)
    print(
        f"memory of the service: idle {idle['rss']:.0f} MB, after the load {busy['rss']:.0f} MB (PSS {busy['own']:.0f})"
    )


async def measure(model: str, service: str, learners: list[Learner], options: argparse.Namespace) -> None:
    ways: dict[str, Connect] = {
        "direct SDK": lambda _: direct(model),
        "websocket": lambda number: over_socket(service, learners[number % len(learners)]),
        "SSE": lambda number: over_sse(service, learners[number % len(learners)]),
    }
    floor_first = floor_rate = 0.0
    print(f"{'':12} first token, 1 client      turns/s, {options.clients} clients")
    for name, connect in ways.items():
        first = await first_token(connect, 40) * 1000
        turns = await rate(connect, options.clients, options.turns)
        floor_first, floor_rate = floor_first or first, floor_rate or turns
        share = f"{turns / floor_rate:.2f} of the floor"
        print(f"{name:12} {first:6.1f} ms (+{first - floor_first:5.1f})       {turns:6.1f} ({share})")


if __name__ == "__main__":
    main()
