"""How many requests a second the API answers, beside a bare handler of the same framework with the same statement.

    python -m bench.api [--clients 16] [--requests 3000] [--rounds 3]

`GET /api/goals` of a learner with 20 goals. Ours checks the token and the caller's existence, sets the identity, lets
policies decide, signs cursors, counts and logs. Both servers are a process on uvicorn each, and take turns. Clients are
bare sockets that stay open, since they share the machine.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import psutil
import psycopg

from assistant.db.embedded import open_embedded
from assistant.db.engine import libpq_url
from bench.service import goalspace, percentile, running_service, scratch

EMAIL: Final = "learner@example.org"
GOALS: Final = 20
PATH: Final = f"/api/goals?limit={GOALS}"


class Round:
    """What one server answered in one go."""

    def __init__(self, requests: int, seconds: float, times: list[float], cpu: float) -> None:
        self.per_second = requests / seconds
        self.p99 = percentile(times, 0.99) * 1000
        self.cpu = cpu / requests * 1000
        """Milliseconds of the server process, without the database's."""


def fill(url: str, user_id: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into goals (user_id, title, description, created_at)"
            " select %s, 'Goal ' || n, 'What is to be reached', now() - n * interval '1 minute'"
            " from generate_series(1, %s) n",
            (user_id, GOALS),
        )


@contextmanager
def bare_service(database_url: str, user_id: str) -> Iterator[tuple[str, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.bare_api", str(port), database_url, user_id]
    with subprocess.Popen(command) as child:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}", child.pid
        finally:
            child.terminate()


def _wait_for(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


async def load(address: str, pid: int, token: str, clients: int, requests: int) -> Round:
    host, port = address.removeprefix("http://").split(":")
    head = f"GET {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    times: list[float] = []

    async def client(count: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(count):
            began = time.perf_counter()
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            await reader.readexactly(_length(answer))
            times.append(time.perf_counter() - began)
        writer.close()

    await client(200)  # until then caches fill
    times.clear()
    before, began = psutil.Process(pid).cpu_times(), time.perf_counter()
    await asyncio.gather(*(client(requests // clients) for _ in range(clients)))
    seconds, after = time.perf_counter() - began, psutil.Process(pid).cpu_times()
    return Round(len(times), seconds, times, after.user + after.system - before.user - before.system)


def _length(head: bytes) -> int:
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])


def measure(data_dir: Path, clients: int, requests: int, rounds: int) -> tuple[list[Round], list[Round]]:
    user_id = goalspace(data_dir, "user", "create", EMAIL).split()[-1]
    token = goalspace(data_dir, "token", EMAIL, "--ttl", "86400")
    server = open_embedded(data_dir)
    url = libpq_url(server.url)
    try:
        fill(url, user_id)
        ours, floor = [], []
        with (
            running_service(data_dir, GOALSPACE_REQUESTS_PER_MINUTE="1000000") as service,
            bare_service(url, user_id) as (bare, bare_pid),
        ):
            for _ in range(rounds):
                floor.append(asyncio.run(load(bare, bare_pid, token, clients, requests)))
                ours.append(asyncio.run(load(service.address, service.pid, token, clients, requests)))
        return ours, floor
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with scratch() as data_dir:
        ours, floor = measure(data_dir, options.clients, options.requests, options.rounds)
    print(f"GET {PATH}, {options.clients} clients\n")
    print("               requests/s   p99   processor time of the server")
    for name, rounds in (("bare handler", floor), ("the service", ours)):
        per_second, p99, cpu = (median(getattr(one, of) for one in rounds) for of in ("per_second", "p99", "cpu"))
        print(f"{name:13} {per_second:11.0f} {p99:6.1f} ms {cpu:6.2f} ms a request")
    ratios = sorted(one.per_second / other.per_second for one, other in zip(ours, floor, strict=True))
    print(f"\nratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); wanted: 0.6")


if __name__ == "__main__":
    main()
