"""The cases of the mentor's prompt hold; those of a type of mentor fail with the words of another."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.db.session import Database
from assistant.llm.embeddings import build_embedder
from assistant.resources import resource_dir
from assistant.settings import Settings
from tests.mentor.cases import Case, Theatre, faults, read_cases

PROMPTS = resource_dir("prompts")
TYPES = sorted(path.stem for path in (PROMPTS / "mentor" / "types").glob("*.md"))
CASES = read_cases()


def type_of(case: Case) -> str | None:
    """The type that a case is about: one is written for each by name."""
    kind = str(case["name"]).partition("_")[0]
    return kind if kind in TYPES else None


@pytest.fixture(scope="module")
def theatre(database: Database, settings: Settings) -> Theatre:
    return Theatre(database, build_embedder(settings.embeddings))


@pytest.mark.parametrize("case", [case for case in CASES if not type_of(case)], ids=lambda case: case["name"])
async def test_a_case_holds(theatre: Theatre, case: Case) -> None:
    assert faults(case, await theatre.play(await theatre.set_up(case), PROMPTS)) == []


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The prompts with one type in the words of another."""
    folders: dict[tuple[str, str], Path] = {}

    def make(kind: str, other: str) -> Path:
        if (kind, other) not in folders:
            folder = folders[kind, other] = tmp_path_factory.mktemp("prompts")
            shutil.copytree(PROMPTS, folder, dirs_exist_ok=True)
            types = folder / "mentor" / "types"
            shutil.copyfile(types / f"{other}.md", types / f"{kind}.md")
        return folders[kind, other]

    return make


@pytest.mark.parametrize("case", [case for case in CASES if type_of(case)], ids=lambda case: case["name"])
async def test_a_types_case_holds_and_fails_with_the_words_of_each_other_type(
    theatre: Theatre, worded: Callable[[str, str], Path], case: Case
) -> None:
    kind, stage = type_of(case), await theatre.set_up(case)
    assert kind is not None
    assert case.get("space", {}).get("config", {}).get("type", "default") == kind
    assert faults(case, await theatre.play(stage, PROMPTS)) == []
    for other in TYPES:
        if other != kind:
            assert faults(case, await theatre.play(stage, worded(kind, other))), other


def test_each_type_has_its_cases() -> None:
    for kind in TYPES:
        assert len([case for case in CASES if type_of(case) == kind]) >= 5, kind
