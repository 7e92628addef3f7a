"""Schemathesis against a running service, as somebody: requests made from the service's own description of itself.

A longer run than the suite's:

    python -m tests.fuzz.contract [--seconds 600] [--seed 1]
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from assistant.app import create_app
from assistant.db.session import Database
from assistant.db.setup import open_server
from assistant.settings import Settings
from tests.fixtures.api import Caller, open_space
from tests.fixtures.database import join_space, make_settings, make_user
from tests.fixtures.http import LiveService, serve_app

COMMAND: Final = str(Path(sys.executable).with_name("schemathesis"))

ACTORS: Final = ("anonymous", "member", "stranger")

CONFIG: Final = """
[generation]
database = "none"

[checks]
# Not all that is true can be said in a schema: of a cursor, or that a key must not end before it begins.
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 422, 431]
# On a machine with a lot to do the service may say that it is busy; what it must not do is fail.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
# The framework answers OPTIONS for one handler of a path; `Allow` of 405 names them all.
allow_header_conformance.enabled = false

[parameters]
{parameters}
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the requests are about: ids that the member may see and change, and the stranger may not."""

    tokens: dict[str, str | None]
    ids: dict[str, str]


def unlimited(settings: Settings) -> Settings:
    return settings.model_copy(update={"requests_per_minute": 0, "turns_per_minute": 0})


@asynccontextmanager
async def prepare(live: LiveService, database: Database) -> AsyncIterator[Ground]:
    """An owner's shared space with something of everything; the member is its editor."""
    async with httpx2.AsyncClient(base_url=live.address, timeout=30) as http:
        people = {}
        for name in ("owner", "member", "stranger"):
            user_id, email = await make_user(database)
            people[name] = Caller(http, live.token(user_id, email, ttl=86_400), user_id, email)
        owner, member = people["owner"], people["member"]
        space = await open_space(owner, visibility="shared")
        await join_space(database, space["id"], member.id, "editor")
        here = f"/api/spaces/{space['id']}"
        module = await owner.make(f"{here}/modules", {"title": "Knots", "content_type": "text"})
        task = await owner.make(f"{here}/tasks", {"title": "Tie a bowline"})
        document = await owner.make(f"{here}/documents", {"title": "Boats", "content": "Sail before motor."})
        comment = await member.make(f"/api/modules/{module['id']}/comments", {"content": "Good."})
        goal = await member.make("/api/goals", {"title": "Learn to sail"})
        found = {"space": space, "module": module, "task": task, "document": document, "comment": comment, "goal": goal}
        tokens = {"anonymous": None} | {name: caller.token for name, caller in people.items()}
        yield Ground(tokens, {f"{name}_id": row["id"] for name, row in found.items()})


async def fuzz(
    live: LiveService, ground: Ground, actor: str, *, examples: int, phases: str, seed: int, seconds: int | None = None
) -> tuple[int, str]:
    """Exit code and report: 0 where every answer was as the contract says.

    In one thread: in several, the library that makes the examples may stumble over its own caches.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        config.write_text(CONFIG.replace("{parameters}", "\n".join(_parameters(ground))), "utf-8")
        arguments = ["--config-file", str(config), "run", f"{live.address}/schema/openapi.json", "--no-color"]
        arguments += ["--phases", phases, "--max-examples", str(examples), "--seed", str(seed)]
        arguments += ["--exclude-operation-id", "DeleteMe"]  # which would leave a stranger to go on
        arguments += ["--request-timeout", "60", "--warnings", "off", "--continue-on-failure", "--report-dir", folder]
        if seconds is not None:
            arguments += ["--max-time", str(seconds)]
        if (token := ground.tokens[actor]) is not None:
            arguments += ["--header", f"Authorization: Bearer {token}"]
        process = await asyncio.create_subprocess_exec(
            COMMAND, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def _parameters(ground: Ground) -> Iterator[str]:
    yield from (f'"path.{name}" = "{value}"' for name, value in ground.ids.items())


async def main(seconds: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as data_dir:
        settings = unlimited(make_settings(Path(data_dir)))
        async with (
            await open_server(settings, upgrade=True) as server,
            server.open() as database,
            serve_app(create_app(settings), settings) as live,
            prepare(live, database) as ground,
        ):
            codes = [await _report(live, ground, actor, seconds // len(ACTORS), seed) for actor in ACTORS]
            return max(codes)


async def _report(live: LiveService, ground: Ground, actor: str, seconds: int, seed: int) -> int:
    phases = "examples,coverage,fuzzing,stateful"
    code, report = await fuzz(live, ground, actor, examples=100, phases=phases, seed=seed, seconds=seconds)
    print(f"--- {actor}\n{report}", flush=True)
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all actors together")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.seconds, options.seed)))
