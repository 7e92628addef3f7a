"""`make` on a machine where everything is installed: it explains itself, and does nothing twice."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]

TARGETS = {"help", "setup", "demo", "serve", "test", "check", "lock"}


def make(*arguments: str) -> str:
    # What an outer make left in the environment would change what this one prints.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_help_is_what_it_does_by_itself_and_names_every_target() -> None:
    shown = make()
    assert shown == make("help")
    assert set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE)) >= TARGETS


def test_every_target_that_makes_no_file_is_declared_so() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    declared = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    assert described <= declared


def test_setup_installs_nothing_twice_and_anew_what_a_lock_file_changed(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements").mkdir()
    (tmp_path / "build_hooks").mkdir()
    for path in (ROOT / "requirements").glob("*.txt"):
        (tmp_path / "requirements" / path.name).write_bytes(path.read_bytes())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()

    def plan() -> str:
        return make("--directory", str(tmp_path), "--dry-run", "setup")

    wanted = re.findall(r"touch (\S+)", plan())
    assert {name.split("/")[-1].split("-")[0] for name in wanted} == {"runtime", "build", "package"}
    (tmp_path / ".venv/stamps").mkdir()
    for name in wanted:
        (tmp_path / name).touch()
    (tmp_path / "assistant/_data/embedder").mkdir(parents=True)
    (tmp_path / "assistant/_data/embedder/manifest.json").touch()
    assert "pip" not in plan()
    with (tmp_path / "requirements/runtime.txt").open("a") as lock:
        lock.write("another==1 --hash=sha256:00\n")
    assert [name.split("-")[0] for name in re.findall(r"touch .venv/stamps/(\S+)", plan())] == ["runtime"]
