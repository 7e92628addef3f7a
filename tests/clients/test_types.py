"""The types say what the tables say: every column, what may be null, which values there are."""

import json
import re
from collections.abc import Sequence

import pytest

from assistant import __version__
from assistant.app import create_app
from assistant.cli.types import DOCUMENT, PACKAGE, SOURCES
from assistant.settings import Settings
from tests.clients.columns import DIFFERENT, HIDDEN, SHOWN, STATES, UNSHOWN, Column
from tests.clients.conftest import PAGES, ROOT, Compiled, Made

pytestmark = pytest.mark.node


def test_the_command_says_what_it_wrote(made: Made) -> None:
    assert re.fullmatch(
        rf"Wrote {re.escape(str(made.folder))}: openapi.json, src/generated \(\d+ files\) and dist \(\d+ files\)\.\n",
        made.said,
    )
    for name in ("types", "zod", "sdk"):
        assert (made.folder / f"src/generated/{name}.gen.ts").stat().st_size > 10_000
        assert (made.folder / f"dist/generated/{name}.gen.d.ts").is_file()


def test_the_document_is_the_one_that_the_service_shows(made: Made, settings: Settings) -> None:
    assert json.loads((made.folder / DOCUMENT).read_bytes()) == create_app(settings).openapi_schema.to_schema()


def test_the_package_has_the_version_of_the_service() -> None:
    for name in ("package.json", "package-lock.json"):
        assert json.loads((ROOT / PACKAGE / name).read_bytes())["version"] == __version__


def test_all_that_is_written_by_hand_is_installed_too() -> None:
    made = {"node_modules", "dist", "generated", DOCUMENT}
    written = {
        str(path.relative_to(ROOT / PACKAGE))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and not made & set(path.relative_to(ROOT / PACKAGE).parts)
    }
    assert written == set(SOURCES)
    build = (ROOT / "pyproject.toml").read_text("utf-8")
    assert set(re.findall(rf'^"{PACKAGE}/(.*)" = "assistant/_data/{PACKAGE}/\1"$', build, re.MULTILINE)) == written


@pytest.mark.parametrize("table", SHOWN | STATES)
def test_each_table_is_what_its_type_says(table: str, compiled: Compiled, columns: Sequence[Column]) -> None:
    assert table in {column.table for column in columns}
    schema = f"api.{(SHOWN | STATES)[table]}"
    assert [fault for fault in compiled.faults.get("columns.ts", []) if re.search(rf"{schema}\b", fault)] == []


def test_every_statement_about_the_tables_was_understood(compiled: Compiled) -> None:
    assert [fault for fault in compiled.faults.get("columns.ts", []) if "api." not in fault] == []


def test_every_table_is_shown_or_said_why_not(columns: Sequence[Column]) -> None:
    assert {column.table for column in columns} == SHOWN.keys() | STATES.keys() | UNSHOWN.keys()


def test_every_exception_is_still_one(columns: Sequence[Column]) -> None:
    types = {(column.table, column.name): column.type for column in columns if column.table in SHOWN}
    assert HIDDEN.keys() <= types.keys()
    assert {place: kind for place, (kind, _) in DIFFERENT.items() if types.get(place, kind) == kind} == {}


@pytest.mark.parametrize("file", ["design.ts", *PAGES])
def test_what_is_written_down_elsewhere_fits(file: str, compiled: Compiled) -> None:
    assert compiled.faults.get(file) is None
