"""The mapping file: TOML, a table for each table that is filled, with the query that is run on the old database."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assistant.errors import AssistantError

TARGETS: Final = {
    "auth.users": "auth.users",
    "assistant.local_accounts": "assistant.local_accounts",
    **{
        name: f"public.{name}"
        for name in (
            "blog_posts",
            "chat_messages",
            "comments",
            "document_embeddings",
            "documents",
            "goals",
            "module_progress",
            "modules",
            "space_collaborators",
            "spaces",
            "subscriptions",
            "tasks",
            "usage_logs",
            "user_preferences",
            "users",
        )
    },
}
"""What may be filled. All else is made by triggers and jobs, or is not data."""

MAX_FILE_BYTES: Final = 1024 * 1024


class ImportProblem(AssistantError):  # noqa: N818 - several of them, told together
    """Why an import was refused, a sentence each. Nothing was changed."""

    code, title = "import", "Import"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))


@dataclass(frozen=True, slots=True)
class MappedTable:
    """One query, and where it stands in the file."""

    name: str
    """As the file calls it."""
    target: str
    """With its schema."""
    query: str
    place: str
    """File and line of the query, for messages."""
    line: int

    def at(self, column: str) -> str:
        """The beginning of a message about a column."""
        return f"{self.place}: {self.name}.{column}"


def read_mapping(path: Path) -> list[MappedTable]:
    """In the order of the file. Raises ImportProblem with all that is wrong with it, OSError."""
    content = path.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        raise ImportProblem([f"{path}: is larger than {MAX_FILE_BYTES // 1024} KiB."])
    try:
        text = content.decode("utf-8")
        parsed = tomllib.loads(text)
    except UnicodeDecodeError as exc:
        raise ImportProblem([f"{path}: is not UTF-8."]) from exc
    except tomllib.TOMLDecodeError as exc:
        raise ImportProblem([f"{path}: {exc}."]) from exc
    except RecursionError as exc:
        raise ImportProblem([f"{path}: is nested too deeply."]) from exc
    problems: list[str] = []
    tables = [_table(path, text, name, value, problems) for name, value in _sections(parsed)]
    if not tables:
        problems.append(f"{path}: names no table; expected sections such as [users] with a query.")
    if problems:
        raise ImportProblem(problems)
    return [table for table in tables if table is not None]


def _sections(parsed: dict[str, Any]) -> list[tuple[str, object]]:
    """`[auth.users]` and `["auth.users"]` mean the same."""
    schemas = {target.partition(".")[0] for target in TARGETS if "." in target}
    found: list[tuple[str, object]] = []
    for name, value in parsed.items():
        if name in schemas and isinstance(value, dict):
            found += [(f"{name}.{inner}", each) for inner, each in value.items()]
        else:
            found.append((name, value))
    return found


def _table(path: Path, text: str, name: str, value: object, problems: list[str]) -> MappedTable | None:
    header = _line_of_section(text, name)
    if name not in TARGETS:
        problems.append(f"{path}:{header}: there is no table {name} to fill{_instead(name, TARGETS)}.")
        return None
    query = value.get("query") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(query, str) or not query.strip():
        problems.append(f"{path}:{header}: [{name}] needs query, a text with SQL.")
        return None
    if unknown := value.keys() - {"query"}:
        problems.append(f"{path}:{header}: [{name}] has {', '.join(sorted(unknown))}; expected query alone.")
        return None
    start = text.find(query)
    line = text.count("\n", 0, start) + 1 if start >= 0 else header
    return MappedTable(name, TARGETS[name], query.rstrip().rstrip(";"), f"{path}:{line}", line)


def _line_of_section(text: str, name: str) -> int:
    dotted = r"\s*\.\s*".join(rf"\"?{re.escape(part)}\"?" for part in name.split("."))
    found = re.search(rf"^\s*\[?\s*{dotted}\s*[\].=]", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 + text[found.start() : found.end()].count("\n") if found else 1


def _instead(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; is it {near[0]}" if near else ""
