"""What Markdown is made of, for readers of other formats."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

TABLE_WORDS: Final = 120
"""A longer table is written as several, each with the first row above it: each chunk then says what its columns are."""

_BLOCK = re.compile(r"^(\s{0,3})(#{1,6}(?=\s|$)|`{3}|~{3}|>)", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*([=-])\1+[ \t]*$", re.MULTILINE)


def escape(text: str) -> str:
    """Words that stay words, although they begin as a heading, code or a quotation does."""
    return _RULE.sub("", _BLOCK.sub(r"\1\\\2", text))


def heading(level: int, text: str) -> str:
    return f"{'#' * level} {' '.join(text.split())}"


def fence(code: str, language: str = "") -> str:
    longest = max(map(len, re.findall("`{3,}", code)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{code.strip(chr(10))}\n{marks}"


def tables(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows, of which the first names the columns. Rows and columns that are empty are left out."""
    kept = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows if any(map(str.strip, row))]
    width = max(map(len, kept), default=0)
    for row in kept:
        row.extend([""] * (width - len(row)))
    columns = [number for number in range(width) if any(row[number] for row in kept)]
    if not columns:
        return
    first, *rest = [[row[number] for number in columns] for row in kept]
    if len(columns) == 1:  # a list rather than a table
        yield "\n".join(f"- {row[0]}" for row in (first, *rest) if row[0])
        return
    head = f"{_line(first)}\n{_line(['---'] * len(columns))}"
    if not rest:
        yield head
        return
    words = sum(len(cell.split()) for row in rest for cell in row)
    size = max(1, len(rest) * TABLE_WORDS // max(words, TABLE_WORDS))
    for start in range(0, len(rest), size):
        yield "\n".join([head, *map(_line, rest[start : start + size])])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
