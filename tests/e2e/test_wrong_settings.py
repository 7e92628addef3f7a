"""What keeps a service from starting is said in one line, with exit code 2, and gives away no secret."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from assistant.serving import listen
from tests.e2e.conftest import Seed
from tests.fixtures.container import can_unshare
from tests.fixtures.processes import GOALSPACE, Done, Installation

CANARY: Final = "canary-4711"
TAKEN: Final = "a port on which somebody listens"


@dataclass(frozen=True, slots=True)
class Wrong:
    settings: dict[str, str]
    said: str
    """Must stand in the line."""
    arguments: tuple[str, ...] = ()


CASES: Final = {
    "a value that is none": Wrong({"GOALSPACE_JWT_SECRET": CANARY}, "GOALSPACE_JWT_SECRET"),
    "a database out of reach": Wrong({"DATABASE_URL": f"postgresql://root:{CANARY}@127.0.0.1:1/x"}, "DATABASE_URL"),
    "embeddings of nobody": Wrong({"GOALSPACE_EMBEDDINGS": "nobody:knows"}, "GOALSPACE_EMBEDDINGS"),
    "no prompts": Wrong({"GOALSPACE_PROMPTS_DIR": "/nowhere"}, "/nowhere"),
    "keys over plain http": Wrong({"GOALSPACE_JWKS_URL": "http://example.org/keys"}, "GOALSPACE_JWKS_URL"),
    "a key that no header holds": Wrong({"ANTHROPIC_API_KEY": f"{CANARY}\n"}, "ANTHROPIC_API_KEY"),
    "a folder that cannot be made": Wrong({"GOALSPACE_DATA_DIR": "/sys/goalspace"}, "/sys/goalspace"),
    "a file for a folder": Wrong({"GOALSPACE_DATA_DIR": "a-file"}, "a-file"),
    "no plans in the file of plans": Wrong({"GOALSPACE_PLANS_FILE": "a-file"}, "a-file: the file is empty."),
    "a taken port": Wrong({}, "port", ("--port", TAKEN)),
}
"""tests/test_settings.py has more values that are none."""


@pytest.fixture(scope="module")
async def results(seed: Seed, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Done]]:
    """All cases, a few at a time, on one installation."""
    turns = asyncio.Semaphore(2)
    installation = seed.installation.copy_to(tmp_path_factory.mktemp("wrong"), GOALSPACE_LOG_LEVEL="warning")
    (installation.folder / "a-file").touch()
    try:
        with listen("127.0.0.1", 0) as taken:
            port = str(taken.getsockname()[1])

            async def start(wrong: Wrong) -> Done:
                arguments = [port if word == TAKEN else word for word in ("--port", "0", *wrong.arguments)]
                async with turns:
                    return await installation.run("serve", *arguments, **wrong.settings)

            yield dict(zip(CASES, await asyncio.gather(*map(start, CASES.values())), strict=True))
    finally:
        await installation.close()


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_setting_is_one_line(results: dict[str, Done], name: str) -> None:
    done, wrong = results[name], CASES[name]
    assert (done.code, done.out) == (2, ""), done
    (line,) = done.err.splitlines()
    assert line.startswith("goalspace: ")
    assert wrong.said in line
    assert CANARY not in line


@pytest.mark.skipif(not can_unshare(), reason="needs to mount a small disk")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    command = 'mount -t tmpfs -o size=20m tmpfs "$0" && exec "$1" serve --port 0'
    environment = Installation(tmp_path).environment({"GOALSPACE_DATA_DIR": str(tmp_path / "small")})
    (tmp_path / "small").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, tmp_path / "small", GOALSPACE],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("goalspace: No space left in ")
