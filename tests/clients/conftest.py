"""The TypeScript package, made by the command in a folder of its own, and what is compiled against it."""

import asyncio
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from assistant.cli.types import PACKAGE, Node, find_node, write_sources
from assistant.db.session import Database
from assistant.errors import ConfigurationError
from assistant.settings import Settings
from tests.clients.columns import Column, read_columns, write_assertions
from tests.fixtures.processes import GOALSPACE

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent

PAGES: Final = {"readme.ts": ROOT / PACKAGE / "README.md", "clients.ts": ROOT / "docs/clients.md"}
"""Where there are examples: the first one of each is compiled, too."""

GIVEN: Final = "declare const baseUrl: string, token: string, space_id: string;\n"
"""What the examples take for granted."""

FAULT: Final = re.compile(r"^(?P<file>[^\s(]+)\((?P<line>\d+),\d+\): error (?P<message>.*)$", re.MULTILINE)


@pytest.fixture(scope="session")
def node() -> Node:
    try:
        found = find_node()
    except ConfigurationError as error:
        pytest.skip(error.detail)
    if not (ROOT / PACKAGE / "node_modules").is_dir():
        pytest.skip(f"needs `npm ci` in {PACKAGE}")
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """The package, and what the command said that made it."""

    folder: Path
    said: str


@pytest.fixture(scope="session")
def made(node: Node, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """By `goalspace types`, as from an installed service, and without a registry."""
    folder = tmp_path_factory.mktemp("client")
    write_sources(folder)
    (folder / "node_modules").symlink_to(ROOT / PACKAGE / "node_modules")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOALSPACE_")}
    nowhere = {"GOALSPACE_DATA_DIR": str(settings.data_dir), "npm_config_registry": "http://127.0.0.1:9"}
    done = subprocess.run(
        [GOALSPACE, "types", "--out", str(folder)],
        cwd=folder,
        env=environment | nowhere,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Made(folder, done.stdout)


@pytest.fixture(scope="session")
async def columns(database: Database) -> Sequence[Column]:
    """Of every table of the live database."""
    return await read_columns(database)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The TypeScript of this folder as JavaScript, and what the compiler had to say about it."""

    scripts: Path
    faults: dict[str, list[str]]
    """By file: the line at fault and what is wrong with it."""


@pytest.fixture(scope="session")
async def compiled(made: Made, node: Node, columns: Sequence[Column]) -> Compiled:
    tests = made.folder / "tests"
    tests.mkdir()
    for path in [*HERE.glob("*.ts"), HERE / "tsconfig.json"]:
        (tests / path.name).write_bytes(path.read_bytes())
    (tests / "columns.ts").write_text(write_assertions(columns))
    for name, page in PAGES.items():
        (tests / name).write_text(GIVEN + re.findall(r"```ts\n(.*?)```", page.read_text("utf-8"), re.DOTALL)[0])
    compiler = made.folder / "node_modules/typescript/bin/tsc"
    process = await asyncio.create_subprocess_exec(
        str(node.program), str(compiler), "-p", "tests", cwd=made.folder, stdout=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[0].decode()
    faults: dict[str, list[str]] = {}
    for fault in FAULT.finditer(said):
        lines = (made.folder / fault["file"]).read_text().splitlines()
        faults.setdefault(Path(fault["file"]).name, []).append(
            f"{lines[int(fault['line']) - 1].strip()} — {fault['message']}"
        )
    assert bool(process.returncode) == bool(faults), said
    return Compiled(made.folder / "tests-dist", faults)
