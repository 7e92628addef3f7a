"""Files into a space, and searches in it, from the command line."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from assistant.llm.bundled import MiniLM
from tests.cli.conftest import Goalspace, one_line


@pytest.fixture
def email(goalspace: Goalspace) -> str:
    address = f"{uuid4().hex}@example.org"
    assert goalspace("user", "create", address).exit_code == 0
    return address


@pytest.fixture
def space(goalspace: Goalspace, email: str) -> str:
    made = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "Sailing")
    return made.stdout.strip()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "more").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "hidden.md").write_text("hidden")
    (folder / "knots.md").write_text("# Knots\n\nThe bowline makes a loop that does not slip.\n")
    (folder / "more" / "tides.html").write_text("<html><title>Tides</title><body><p>Ebb and flow, twice a day.")
    (folder / "more" / "log.txt").write_text("Left the harbour at noon.")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def test_links_in_a_folder_are_not_followed(goalspace: Goalspace, space: str, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("A secret of somebody else.")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "own.md").write_text("One's own.")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    said = goalspace("ingest", space, str(folder))
    assert (said.exit_code, "own.md" in said.stdout, "link.md" in said.stdout) == (0, True, False)


def test_a_folder_goes_in_and_is_found(goalspace: Goalspace, space: str, notes: Path) -> None:
    result = goalspace("ingest", space, str(notes))
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(result.stdout.splitlines()) == [
        f"{notes}/knots.md: added (1 chunk)",
        f"{notes}/more/log.txt: added (1 chunk)",
        f"{notes}/more/tides.html: added (1 chunk)",
    ]
    found = goalspace("search", space, "which knot makes a loop?", "--limit", "1")
    assert found.stdout.startswith("1. Knots  [")
    assert "bowline" in found.stdout
    answer = json.loads(goalspace("search", space, "twice a day", "--json").stdout)
    assert answer["items"][0]["title"] == "Tides"
    assert len(answer["items"]) == 3
    assert answer["next_cursor"] is None


def test_files_that_did_not_change_say_so(goalspace: Goalspace, space: str, notes: Path) -> None:
    path = notes / "knots.md"
    assert "added" in goalspace("ingest", space, str(path)).stdout
    assert goalspace("ingest", space, str(path)).stdout == f"{path}: unchanged\n"
    path.write_text("# Knots\n\nThe clove hitch holds on a post.\n")
    assert goalspace("ingest", space, str(path)).stdout == f"{path}: changed (1 chunk)\n"
    assert "clove" in goalspace("search", space, "clove hitch", "--limit", "1").stdout
    answer = json.loads(goalspace("search", space, "bowline", "--json").stdout)
    assert len(answer["items"]) == 1


def test_what_fails_has_a_line_and_the_rest_goes_in(goalspace: Goalspace, space: str, notes: Path) -> None:
    (notes / "empty.md").write_text("")
    (notes / "binary.txt").write_bytes(b"a\0b")
    nested = notes / "deep.html"
    nested.write_text("<html>" + "<div>" * 2_000)
    bare = notes / "bare"
    bare.mkdir()
    result = goalspace("ingest", space, str(notes), "missing.md", "http://127.0.0.1/page", str(bare))
    assert result.exit_code == 1
    lines = dict(line.rsplit(": ", 1) if ": failed" not in line else line.split(": ", 1) for line in
                 result.stdout.splitlines())  # fmt: skip
    assert lines[f"{notes}/knots.md"] == "added (1 chunk)"
    assert lines[f"{notes}/empty.md"] == "failed: The file is empty."
    assert lines[f"{notes}/binary.txt"] == "failed: This is not a text file."
    assert lines[str(nested)] == "failed: The page is nested deeper than 500 elements."
    assert lines["missing.md"] == "failed: there is no such file or folder"
    assert lines[str(bare)] == "failed: there is no file in this folder that can be read"
    assert lines["http://127.0.0.1/page"] == "failed: The address is not a public one."
    assert len(lines) == 9


def test_a_file_that_cannot_be_opened_fails_alone(
    goalspace: Goalspace, space: str, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path) if path.name != "knots.md" else read(path / "nothing")
    )
    result = goalspace("ingest", space, str(notes))
    assert result.exit_code == 1
    assert f"{notes}/knots.md: failed: Not a directory" in result.stdout
    assert "tides.html: added" in result.stdout


def test_an_embedder_that_fails_is_reported_for_the_document(
    goalspace: Goalspace, space: str, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("assistant.knowledge.indexing.WAIT_SECONDS", ())
    monkeypatch.setattr(MiniLM, "encode_passages", fail)
    result = goalspace("ingest", space, str(notes / "knots.md"))
    assert result.exit_code == 1
    assert "knots.md: failed: The service could not index this document" in result.stdout
    monkeypatch.undo()


def test_people_put_in_what_they_may(goalspace: Goalspace, space: str, notes: Path) -> None:
    stranger = f"{uuid4().hex}@example.org"
    goalspace("user", "create", stranger)
    for command in (("ingest", space, str(notes)), ("search", space, "knots")):
        result = goalspace(*command, "--user", stranger)
        assert result.exit_code == 1
        assert "no such space" in one_line(result)
        result = goalspace(*command, "--user", "nobody@example.org")
        assert "no user" in one_line(result)
    result = goalspace("search", str(uuid4()), "knots")
    assert (result.exit_code, "no space" in one_line(result)) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [("ingest",), ("ingest", "x", "y"), ("search", str(uuid4())), ("search", str(uuid4()), " "),
     ("search", str(uuid4()), "x", "--limit", "0")],
)  # fmt: skip
def test_wrong_calls(arguments: tuple[str, ...], goalspace: Goalspace) -> None:
    result = goalspace(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    one_line(result)


def test_a_search_of_an_empty_space(goalspace: Goalspace, space: str) -> None:
    assert "no indexed documents" in goalspace("search", space, "knots").stdout
    assert json.loads(goalspace("search", space, "knots", "--json").stdout)["items"] == []
