"""What is in the repository: nothing of one machine, nothing that only one registry has."""

import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

REGISTRIES = tuple(
    "".join(parts)
    for parts in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
        ("debian", ".org"),
        ("crates", ".io"),
    )
)
"""In pieces, so that this file passes its own test."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git knows. A copy without git has nothing to look at."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def texts() -> list[tuple[str, str]]:
    return [(str(path.relative_to(ROOT)), path.read_text("utf-8", errors="ignore")) for path in tracked()]


def test_no_file_names_a_registry() -> None:
    assert [(name, host) for name, text in texts() for host in REGISTRIES if host in text] == []


def test_no_file_holds_a_path_of_this_machine() -> None:
    homes = re.compile(r"(?<![\w.*-])/(?:home|Users|work)/\w")
    assert [name for name, text in texts() if str(ROOT) in text or homes.search(text)] == []


def test_no_generated_file_is_tracked() -> None:
    made = re.compile(r"(^|/)(__pycache__|node_modules|\.venv|build|dist|_data)/|\.(pyc|onnx|gguf|log)$|(^|/)\.env$")
    assert [name for name, _ in texts() if made.search(name)] == []


def test_the_javascript_locks_keep_hashes_but_no_addresses() -> None:
    locks = [path for path in tracked() if path.name == "package-lock.json"]
    assert locks
    for path in locks:
        packages = {name: entry for name, entry in json.loads(path.read_text())["packages"].items() if name}
        assert [name for name, entry in packages.items() if "resolved" in entry] == []
        assert [name for name, entry in packages.items() if "integrity" not in entry] == []


@pytest.mark.parametrize("name", ["runtime", "dev", "build", "node", "local-model", "weights"])
def test_every_required_package_is_pinned_and_hashed(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert requirements
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []
    assert not re.search(r"^\s*-(i|f|-index-url|-extra-index-url|-find-links)\b", text, re.MULTILINE)


def test_what_the_service_needs_and_what_its_tests_need_are_the_same_versions() -> None:
    pins = {name: set(_pins(ROOT / f"requirements/{name}.txt")) for name in ("runtime", "dev", "build")}
    assert pins["runtime"] <= pins["dev"]
    named = {pin.partition("==")[0] for pin in pins["runtime"]}
    assert {pin for pin in pins["build"] if pin.partition("==")[0] in named} <= pins["runtime"]


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = {pin.partition("==")[0] for pin in _pins(ROOT / "requirements/dev.txt")}
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert {re.split(r"[\[<>=; ]", line)[0].lower() for line in wanted} - locked == set()


def test_each_prompt_has_its_words_its_metadata_and_cases() -> None:
    for folder in [path for path in (ROOT / "prompts").iterdir() if path.is_dir()]:
        assert yaml.safe_load((folder / "meta.yaml").read_text())["name"] == folder.name
        assert list(folder.glob("*.md"))
        assert list((folder / "cases").glob("*.yaml"))


def _pins(path: Path) -> list[str]:
    return re.findall(r"^([a-z0-9._-]+==[^\s\\]+)", path.read_text(), re.MULTILINE)
