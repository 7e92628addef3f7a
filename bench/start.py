"""How soon `goalspace serve` is ready, and what an idle service weighs.

    python -m bench.start [--runs 5]

The data directory is warm: its database is made and migrated. Floor: a bare Python process that imports the web
framework and the database driver, since no service on them can be there sooner or weigh less.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

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


def service(data_dir: Path) -> tuple[float, dict[str, float]]:
    """Seconds until `/health/ready` answers 200, and the memory then."""
    began = time.perf_counter()
    with running_service(data_dir) as process:
        ready = time.perf_counter() - began
        time.sleep(1)  # what it still does in the background is part of what it weighs
        return ready, memory(process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with scratch() as data_dir:
        goalspace(data_dir, "db", "upgrade")
        floors = [bare() for _ in range(runs)]
        services = [service(data_dir) for _ in range(runs)]
    floor = statistics.median(seconds for seconds, _ in floors)
    ready = [seconds for seconds, _ in services]
    rss = statistics.median(weight["rss"] for _, weight in services)
    own = statistics.median(weight["own"] for _, weight in services)
    bare_rss = statistics.median(weight for _, weight in floors)
    middle = statistics.median(ready)
    print(f"bare imports   {floor:5.2f} s                     {bare_rss:4.0f} MB")
    print(f"ready          {middle:5.2f} s (worst {max(ready):.2f})  {rss:4.0f} MB resident, {own:.0f} MB its own")
    print(f"of the floor   {middle / floor:5.2f}                       {rss / bare_rss:4.2f}")


if __name__ == "__main__":
    main()
