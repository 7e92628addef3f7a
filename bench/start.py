"""How soon `goalspace serve` is ready, and what an idle service weighs.

    python -m bench.start [--runs 5]

The data directory is warm: its database is made and migrated. Floor: a bare Python process that imports the web
framework and the database driver, since no service on them can be there sooner or weigh less. Memory is that of the
service's own processes, at rest and after its first question, which loads the embedder.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen
from uuid import uuid4

from bench.service import goalspace, memory, running_service, scratch

BARE = "import litestar, psycopg, sqlalchemy.ext.asyncio, uvicorn, sys; print(flush=True); sys.stdin.read()"


def bare() -> tuple[float, float]:
    """Seconds until the imports are done, and megabytes."""
    began = time.perf_counter()
    command = [sys.executable, "-c", BARE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        return time.perf_counter() - began, memory(child.pid)["rss"]


class Learner(NamedTuple):
    token: str
    space: str


class Start(NamedTuple):
    ready: float
    """Seconds until `/health/ready` answers 200."""
    idle: dict[str, float]
    first: float
    """Seconds of the first question."""
    used: dict[str, float]


def prepare(data_dir: Path) -> Learner:
    """Somebody with a space that holds a document."""
    document = data_dir / "knots.md"
    document.write_text("# Knots\n\nA bowline makes a loop that does not slip.\n")
    goalspace(data_dir, "user", "create", "learner@example.org")
    space = goalspace(
        data_dir, "space", "create", "--user", "learner@example.org", "--goal", "Sail", "--title", "Knots"
    )
    goalspace(data_dir, "ingest", space, str(document))
    return Learner(goalspace(data_dir, "token", "learner@example.org"), space)


def ask(address: str, learner: Learner) -> float:
    """Seconds to the end of an answer."""
    message = {"id": uuid4().hex, "role": "user", "content": "Which knot makes a loop that does not slip?"}
    body = json.dumps({"threadId": uuid4().hex, "runId": uuid4().hex, "messages": [message]}).encode()
    headers = {"authorization": f"Bearer {learner.token}", "content-type": "application/json"}
    request = Request(f"{address}/api/spaces/{learner.space}/agent", body, headers | {"accept": "text/event-stream"})
    began = time.perf_counter()
    with urlopen(request, timeout=30) as answer:
        assert b"RUN_FINISHED" in answer.read()
    return time.perf_counter() - began


def service(data_dir: Path, learner: Learner) -> Start:
    began = time.perf_counter()
    with running_service(data_dir) as process:
        ready = time.perf_counter() - began
        time.sleep(1)  # what it still does in the background is part of what it weighs
        idle = memory(process.pid)
        return Start(ready, idle, ask(process.address, learner), memory(process.pid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with scratch() as data_dir:
        learner = prepare(data_dir)
        floors = [bare() for _ in range(runs)]
        starts = [service(data_dir, learner) for _ in range(runs)]
    floor = statistics.median(seconds for seconds, _ in floors)
    bare_rss = statistics.median(weight for _, weight in floors)
    ready = statistics.median(start.ready for start in starts)
    idle, own = (statistics.median(start.idle[kind] for start in starts) for kind in ("rss", "own"))
    used, used_own = (statistics.median(start.used[kind] for start in starts) for kind in ("rss", "own"))
    first = statistics.median(start.first for start in starts)
    print(f"bare imports    {floor:5.2f} s                     {bare_rss:4.0f} MB")
    print(
        f"ready           {ready:5.2f} s (worst {max(starts).ready:.2f})  {idle:4.0f} MB resident, {own:.0f} MB its own"
    )
    print(f"of the floor    {ready / floor:5.2f}                       {idle / bare_rss:4.2f}")
    print(f"first question  {first:5.2f} s                     {used:4.0f} MB resident, {used_own:.0f} MB its own")


if __name__ == "__main__":
    main()
