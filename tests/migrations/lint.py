"""`python -m tests.migrations.lint`: squawk over each revision's SQL, for what would stop a service that is running."""

import importlib.util
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assistant.resources import resource_dir

SQUAWK: Final = str(Path(sys.executable).with_name("squawk"))
OPTIONS: Final = ("--assume-in-transaction", "--pg-version=15", "--reporter=gcc")


@dataclass
class Recorder:
    """Stands in for a connection, and keeps what a revision would run."""

    statements: list[str] = field(default_factory=list)

    def exec_driver_sql(self, statement: str) -> None:
        self.statements.append(statement)

    def execute(self, _: Any) -> "Recorder":
        """A question: where the extension lies."""
        return self

    def scalar_one(self) -> str:
        return "public"

    def get_bind(self) -> "Recorder":
        return self


def recorded(path: Path) -> str:
    """The SQL of a revision's way up."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sql_of(module)


def sql_of(module: Any) -> str:
    recorder = Recorder()
    module.op = recorder
    module.upgrade()
    return "\n".join(statement.rstrip().rstrip(";") + ";" for statement in recorder.statements)


EVERYWHERE: Final = {
    "require-lock-timeout": "migrations/env.py sets it for all",
    "require-statement-timeout": "so it does",
    "prefer-bigint-over-int": "counts, positions and percentages stay small; types of the design stay as designed",
    "prefer-bigint-over-smallint": "depths and HTTP statuses stay smaller still",
}
"""Rules that no revision is held to, and why."""

NEW_TABLES: Final = {
    "require-concurrent-index-creation": "no installation has rows in these tables yet",
    "adding-foreign-key-constraint": "nor has it any to look through",
    "constraint-missing-not-valid": "nor has it any to look through",
    "prefer-identity": "the queue's tables are as its package makes them",
    "prefer-text-field": "so they are",
}
"""For revisions up to the first release alone. Later ones meet tables that are full and in use."""

LAST_OF_FIRST_RELEASE: Final = "20261125_06"


def complaints(sql: str, revision: str) -> str:
    """What squawk has against it, a line each; empty: nothing."""
    allowed = EVERYWHERE | (NEW_TABLES if revision <= LAST_OF_FIRST_RELEASE else {})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{revision}.sql"
        file.write_text(sql, "utf-8")
        excluded = [f"--exclude={rule}" for rule in allowed]
        done = subprocess.run([SQUAWK, *OPTIONS, *excluded, str(file)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"squawk failed: {done.stderr}")
    return "\n".join(
        line.removeprefix(f"{folder}/") for line in done.stdout.splitlines() if "warning:" in line or "error:" in line
    )


def main() -> int:
    versions = resource_dir("migrations") / "versions"
    found = [complaints(recorded(path), path.stem[: len("20260101_01")]) for path in sorted(versions.glob("[0-9]*.py"))]
    told = "\n".join(each for each in found if each)
    if told:
        print(told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
