"""What becomes of a service that is asked three times as much as it takes.

    python -m bench.overload [--seconds 120] [--capacity 16]

First as many clients as the service takes turns at a time, then three times as many. Each asks again as soon as it has
its answer; one that is refused waits as long as it is told to, at most a second. Meanwhile /health/live is asked ten
times a second, each time over a new connection. The stub of the model takes its time, as a model does, so that it is
the places that are short. It fails where a turn that was accepted did not finish.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from bench.service import percentile, running_service, scratch, stub_model
from bench.turn import Learner, prepare, run_input

PEOPLE: Final = 4
GAP_SECONDS: Final = 0.02
"""Between two of the 64 pieces of an answer, which so takes more than a second."""
TIMES: Final = 3
PATIENCE_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 0.1
WARM_UP_SECONDS: Final = 3.0


@dataclass(slots=True)
class Load:
    """What some clients have seen; times in seconds."""

    clients: int
    accepted: int = 0
    times: list[float] = field(default_factory=list)
    """Of accepted turns that finished, from the question to the last event."""
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By status and code."""
    live: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    headers: dict[str, str]


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Streams]:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def read_head(reader: asyncio.StreamReader) -> Head:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs})


async def ask(streams: Streams, learner: Learner, load: Load) -> None:
    """One question, on a connection that is kept: an answer to its end, or a refusal and the wait after it."""
    reader, writer = streams
    body = run_input(uuid4().hex).encode()
    began = time.perf_counter()
    writer.write(
        f"POST /api/spaces/{learner.space}/agent HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {learner.token}\r\n"
        "content-type: application/json\r\naccept: text/event-stream\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await read_head(reader)
    if head.status != 200:
        problem = json.loads(await reader.readexactly(int(head.headers["content-length"])))
        load.refused[head.status, problem["code"]] += 1
        await asyncio.sleep(min(PATIENCE_SECONDS, float(head.headers.get("retry-after", PATIENCE_SECONDS))))
        return
    load.accepted += 1
    if await read_events(reader):
        load.times.append(time.perf_counter() - began)


async def read_events(reader: asyncio.StreamReader) -> bool:
    """Read to the end of the body; whether it told that the turn has finished."""
    finished = False
    while (line := await reader.readline()) != b"0\r\n":
        assert line, "the connection was closed"
        finished = finished or b'"RUN_FINISHED"' in line
    await reader.readline()
    return finished


async def keep_asking(address: str, learner: Learner, load: Load, until: float) -> None:
    async with connected(address) as streams:
        while time.perf_counter() < until:
            await ask(streams, learner, load)


async def probe(address: str, load: Load, until: float) -> None:
    while time.perf_counter() < until:
        began = time.perf_counter()
        async with connected(address) as (reader, writer):
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
            head = await read_head(reader)
        assert head.status == 200, head
        load.live.append(time.perf_counter() - began)
        await asyncio.sleep(PROBE_SECONDS)


async def put_under(address: str, learners: list[Learner], clients: int, seconds: float) -> Load:
    """So many clients for so long; what they have begun by then they finish."""
    load, until = Load(clients), time.perf_counter() + seconds
    asking = [keep_asking(address, learners[n % len(learners)], load, until) for n in range(clients)]
    await asyncio.gather(probe(address, load, until), *asking)
    return load


async def measure(address: str, learners: list[Learner], capacity: int, seconds: float) -> None:
    await put_under(address, learners, capacity, WARM_UP_SECONDS)
    normal = await put_under(address, learners, capacity, max(5.0, seconds / 4))
    beyond = await put_under(address, learners, TIMES * capacity, seconds)
    print(f"{'clients':>7}{'accepted':>10}{'finished':>10}{'p50':>9}{'p99':>9}{'live p99':>10}   refused")
    for load in (normal, beyond):
        refused = ", ".join(f"{count} × {status} {code}" for (status, code), count in load.refused.items()) or "none"
        p50, p99 = (percentile(load.times, share) for share in (0.5, 0.99))
        print(
            f"{load.clients:7}{load.accepted:10}{len(load.times):10}{p50:7.2f} s{p99:7.2f} s"
            f"{percentile(load.live, 0.99) * 1000:7.0f} ms   {refused}"
        )
    ratio = percentile(beyond.times, 0.99) / percentile(normal.times, 0.99)
    print(f"\np99 of accepted turns: {ratio:.2f} times the normal one; wanted: at most 2")
    print(f"p99 of /health/live: {percentile(beyond.live, 0.99):.3f} s; wanted: below 1")
    for load in (normal, beyond):
        assert len(load.times) == load.accepted, f"{load.accepted - len(load.times)} accepted turns did not finish"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="of more load than there is room for")
    parser.add_argument("--capacity", type=int, default=16, help="turns that the service takes at a time")
    options = parser.parse_args()
    with scratch() as data_dir, stub_model(gap=GAP_SECONDS) as model:
        learners = prepare(data_dir, PEOPLE)
        with running_service(
            data_dir,
            ANTHROPIC_BASE_URL=model.address,
            GOALSPACE_MAX_TURNS=str(options.capacity),
            GOALSPACE_LOG_LEVEL="error",  # each refusal is a warning
        ) as service:
            asyncio.run(measure(service.address, learners, options.capacity, options.seconds))


if __name__ == "__main__":
    main()
