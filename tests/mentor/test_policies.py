"""What docs/mentor.md says about tools and limits is so."""

import re
from pathlib import Path

from assistant.mentor import policies
from assistant.mentor.toolbox import TOOLS
from assistant.mentor.toolspec import WriteTool
from assistant.resources import resource_dir

PAGE = (Path(__file__).parents[2] / "docs" / "mentor.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The table under a heading: first cell → the others."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in cells[2:]}


def test_the_limits_are_those_that_hold() -> None:
    assert {name: float(cells[0]) for name, cells in rows("The limits of a turn").items()} == {
        "passages shown with the question": policies.PASSAGES,
        "calls of the model": policies.ROUNDS,
        "tool calls": policies.TOOL_CALLS,
        "writes": policies.WRITES,
        "the same call failing": policies.IDENTICAL_FAILURES,
        "seconds": policies.SECONDS,
    }


def test_the_tools_are_those_that_there_are() -> None:
    told = rows("The tools")

    assert list(told) == [spec.name for spec in TOOLS]
    for spec in TOOLS:
        writes, whom = told[spec.name]
        assert writes.startswith("yes") is isinstance(spec, WriteTool)
        assert (whom == "members") is not (isinstance(spec, WriteTool) and spec.editors_only)


def test_the_files_of_the_prompt_are_there() -> None:
    for name in re.findall(r"^\| `([\w./*]+)` \|", PAGE.split("## What an owner can set")[0], re.MULTILINE):
        assert list((resource_dir("prompts") / "mentor").glob(name)), name
