"""A service to measure: its own data directory, a stub of the Messages API, people and a space with documents."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil

GOALSPACE = str(Path(sys.executable).with_name("goalspace"))


@dataclass(frozen=True, slots=True)
class Process:
    """A child and the address that it printed."""

    address: str
    pid: int


@contextmanager
def stub_model(deltas: int = 64, tool: str | None = None, gap: float = 0.0) -> Iterator[Process]:
    """A Messages API that answers everything with the same streamed text, after it has asked for the `tool`.

    `gap` is in seconds, between two pieces of the answer.
    """
    command = [sys.executable, "-m", "tests.fixtures.scripted_model", "--deltas", str(deltas), "--gap", str(gap)]
    command += ["--tool", tool] if tool else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield Process(child.stdout.readline().strip(), child.pid)
        finally:
            child.terminate()


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment of a service that knows nothing of this machine's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GOALSPACE_", "ANTHROPIC_", "DATABASE_URL"))}
    unlimited = {"GOALSPACE_REQUESTS_PER_MINUTE": "0", "GOALSPACE_TURNS_PER_MINUTE": "0"}
    return kept | {"GOALSPACE_DATA_DIR": str(data_dir), "GOALSPACE_LOG_LEVEL": "warning"} | unlimited | settings


def goalspace(data_dir: Path, *arguments: str, **settings: str) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(
        [GOALSPACE, *arguments], env=environment(data_dir, **settings), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@contextmanager
def running_service(data_dir: Path, *, workers: int = 1, **settings: str) -> Iterator[Process]:
    """`goalspace serve` on a free port, ready."""
    command = [GOALSPACE, "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, env=environment(data_dir, **settings), stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            address = next(word for word in line.split() if word.startswith("http"))
            wait_until_ready(address)
            yield Process(address, child.pid)
        finally:
            child.terminate()
            child.wait(40)


def wait_until_ready(address: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(f"{address}/health/ready", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def scratch() -> Iterator[Path]:
    """A data directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="goalspace-bench-") as folder:
        yield Path(folder)


def memory(pid: int) -> dict[str, float]:
    """Resident megabytes of a process and its children; `own` counts shared pages in part (PSS)."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    ours = [process for process in processes if "postgres" not in process.name()]
    return {
        "rss": sum(process.memory_info().rss for process in ours) / 1e6,
        "own": sum(process.memory_full_info().pss for process in ours) / 1e6,
    }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
