"""Formats that are texts: tables with commas, notebooks, subtitles."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final

from assistant.errors import InvalidError, TooLargeError
from assistant.knowledge.formats.markdown import escape, fence, tables

MAX_ROWS: Final = 200_000
MAX_OUTPUT: Final = 2_000
"""Characters of what a notebook's cell printed."""

CUE_WORDS: Final = 100
CUE_SECONDS: Final = 90
"""So much is said under one time: a minute's talk, which is about one chunk."""

_CUE = re.compile(
    r"^(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}[ \t]+-->[ \t]+(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}.*$", re.MULTILINE
)
_TAG = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,100}\}")
_SPEAKER = re.compile(r"<v(?:\.[^\s<>]{1,50})?\s+([^<>]{1,80})>")


def read_table(text: str, *, delimiter: str | None = None) -> str:
    """CSV with whichever delimiter its first lines have, or TSV."""
    if delimiter is None:
        try:
            delimiter = csv.Sniffer().sniff(text[:8_192], ",;\t|").delimiter
        except csv.Error:
            delimiter = ","
    rows = []
    try:
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) > MAX_ROWS:
                raise TooLargeError(f"The table has more than {MAX_ROWS:,} rows.")
    except csv.Error as exc:
        raise InvalidError(f"The table is malformed near line {len(rows) + 1}.") from exc
    return "\n\n".join(tables(rows))


def read_notebook(text: str) -> tuple[str | None, str]:
    """Words, code and what the code printed, cell by cell."""
    try:
        notebook = json.loads(text)
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language") or "python"
        parts = [part for cell in cells for part in _cell(cell, language)]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, RecursionError) as exc:
        raise InvalidError("The notebook is damaged: it is not what Jupyter writes.") from exc
    return None, "\n\n".join(parts)


def _cell(cell: dict[str, object], language: str) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input", ""))).strip()
    kind = cell.get("cell_type")
    if kind == "code":
        if source:
            yield fence(source, language)
        outputs = cell.get("outputs") or []
        assert isinstance(outputs, list)
        printed = "".join(map(_output, outputs)).strip()
        if printed:
            yield fence(printed[:MAX_OUTPUT])
    elif source:
        yield source if kind == "markdown" else escape(source)


def _output(output: dict[str, object]) -> str:
    """Text only: pictures and pages are left out."""
    data = output.get("data", output)
    assert isinstance(data, dict)
    return _joined(output.get("text") or data.get("text/plain") or "")


def _joined(lines: object) -> str:
    return "".join(map(str, lines)) if isinstance(lines, list) else str(lines)


def read_subtitles(text: str) -> str:
    """WebVTT or SubRip: what is said, under the times at which it is."""
    marks = list(_CUE.finditer(text))
    if not marks:
        raise InvalidError("There are no subtitles in it: no line with times.")
    parts: list[str] = []
    said: list[str] = []
    begin: int | None = None
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        seconds = int(mark[1] or 0) * 3600 + int(mark[2]) * 60 + int(mark[3])
        if begin is None or seconds - begin >= CUE_SECONDS or sum(len(line.split()) for line in said) >= CUE_WORDS:
            parts += _minute(begin, said)
            begin, said = seconds, []
        for line in _spoken(text[mark.end() : end]):
            if line not in said[-2:]:  # captions that roll say each line twice
                said.append(line)
    parts += _minute(begin, said)
    return "\n\n".join(parts)


def _spoken(block: str) -> Iterator[str]:
    """The lines of one cue; the number or name of the next one stands behind an empty line."""
    for line in block.strip("\n").split("\n\n")[0].split("\n"):
        named = _SPEAKER.sub(r"\1: ", line)
        cleaned = " ".join(_TAG.sub("", named).split())
        if cleaned:
            yield cleaned


def _minute(begin: int | None, said: Sequence[str]) -> list[str]:
    if begin is None or not said:
        return []
    return [f"## {begin // 3600:02}:{begin // 60 % 60:02}:{begin % 60:02}", escape("\n".join(said))]
