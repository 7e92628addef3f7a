"""What the pages say is so: settings, commands, endpoints, error codes, events, dependencies, links."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import AliasChoices

from assistant.app import create_app
from assistant.cli import main
from assistant.errors import AssistantError
from assistant.settings import Settings
from tests.fixtures.database import make_settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

INTERNAL_CODES = {"backup", "configuration", "import", "schema"}
"""Of the command line, which shows a sentence and an exit code."""

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}

TOOL_CODES = {"approval_required"}
"""Told to a model, not to a client."""


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


# --- settings and commands -------------------------------------------------------------------------------------------


def variables() -> set[str]:
    named = {name: field.validation_alias for name, field in Settings.model_fields.items()}
    return {
        str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"GOALSPACE_{name.upper()}"
        for name, alias in named.items()
    }


def test_every_setting_has_its_row_and_every_row_its_setting() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)`", page("settings.md"), re.MULTILINE))
    assert rows == variables()


def test_no_page_and_no_deployment_file_names_a_setting_that_is_not_there() -> None:
    known = variables() | {"GOALSPACE_TEST"}
    for path in [*pages(), ROOT / "compose.yaml", ROOT / "Dockerfile"]:
        named = set(re.findall(r"\bGOALSPACE_[A-Z_]+[A-Z]\b", path.read_text("utf-8")))
        assert named <= known, path.name


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_and_every_option_is_described() -> None:
    rows = re.findall(r"^\| `(goalspace [^`]+)` \|(.*)\|$", page("commands.md"), re.MULTILINE)
    for path, command in commands(main, "goalspace"):
        described = [text for call, text in rows if re.match(rf"{path}\b", call)]
        assert len(described) == 1, path
        options = [option for option in command.params if isinstance(option, click.Option)]
        missing = [option.opts[0] for option in options if f"`{option.opts[0]}" not in described[0]]
        assert missing == [], path


def test_every_described_command_and_option_is_there() -> None:
    known = dict(commands(main, "goalspace"))
    for call, text in re.findall(r"^\| `(goalspace [^`]+)` \|(.*)\|$", page("commands.md"), re.MULTILINE):
        command = next((found for path, found in known.items() if re.match(rf"{path}\b", call)), None)
        assert command is not None, call
        options = {name for option in command.params for name in option.opts}
        assert set(re.findall(r"`(--[a-z-]+)", text)) <= options, call


# --- the API ---------------------------------------------------------------------------------------------------------


def described_paths() -> dict[str, str]:
    return dict(re.findall(r"^\| `(/[^`]*)` \| ([A-Za-z, ]+) \|", page("api.md"), re.MULTILINE))


def test_every_endpoint_is_described_with_its_methods(tmp_path: Path) -> None:
    document = create_app(make_settings(tmp_path)).openapi_schema.to_schema()
    served = {
        re.sub(r"\{[^}]*\}", "{id}", path).rstrip("/"): {method.upper() for method in item} & METHODS
        for path, item in document["paths"].items()
    }
    described = {
        path: set(methods.split(", ")) for path, methods in described_paths().items() if methods != "websocket"
    }
    assert {path: described.get(path) for path in served} == served
    assert described.keys() <= served.keys()


def error_codes() -> set[str]:
    """Every code that stands in the source: of a class, of a raise, of a table."""
    codes: set[str] = set()
    for path in (ROOT / "assistant").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                codes |= {node.value.value} if isinstance(node.value.value, str) else set()
    return codes | {found.code for found in _children(AssistantError)} | _codes_of_the_model()


def _children(parent: type[AssistantError]) -> Iterator[type[AssistantError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _children(child)


def _codes_of_the_model() -> set[str]:
    return set(re.findall(r'^    "(model_[a-z_]+)",$', (ROOT / "assistant/llm/events.py").read_text(), re.MULTILINE))


def test_every_error_code_is_described() -> None:
    described = set(re.findall(r"`([a-z_]+)`", page("api.md") + page("events.md")))
    assert error_codes() - described - INTERNAL_CODES - TOOL_CODES == set()


def test_the_api_describes_no_error_code_that_is_not_there() -> None:
    rows = re.findall(r"^\| \d{3} \| (.*) \|$", page("api.md"), re.MULTILINE)
    described = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    plain = set(re.findall(r'^    \d{3}: \("([a-z_]+)"', (ROOT / "assistant/http.py").read_text(), re.MULTILINE))
    before_the_application = {
        title.lower().replace(" ", "_")
        for title in re.findall(r'4\d\d: "([A-Z][a-z ]+)"', (ROOT / "assistant/serving.py").read_text())
    }
    assert described - error_codes() - plain - before_the_application == set()


def test_every_custom_event_is_described() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "assistant").rglob("*.py"))
    sent = set(re.findall(r'(?:\bcustom\(|_notice\([a-z_.]+, |Notice\()"([a-z_]+)"', source))
    described = set(re.findall(r"^\| `([a-z_]+)` \|", page("events.md").partition("## Custom events")[2], re.MULTILINE))
    assert sent
    assert sent <= described


# --- the rest --------------------------------------------------------------------------------------------------------


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    named = {re.split(r"[\[<>=; ]", line)[0].lower() for group in groups for line in group}
    described = set(re.findall(r"`([a-z0-9-]+)`", page("dependencies.md")))
    assert named - described == set()


def test_the_readme_begins_with_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text("utf-8").split("```")[1]
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["demo", "test"]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file) if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_pages_named_in_the_code_are_there() -> None:
    for path in [*(ROOT / "assistant").rglob("*.py"), *(ROOT / "migrations").rglob("*.py"), ROOT / "compose.yaml"]:
        for name in re.findall(r"(?<![\w/.])docs/[a-z0-9/-]+(?:\.md)?", path.read_text("utf-8")):
            found = [ROOT / name] if name.endswith(".md") else list(ROOT.glob(f"{name}*"))
            assert found, f"{path.name}: {name}"
            assert found[0].exists(), f"{path.name}: {name}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (DOCS / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
