"""Revisions: up, down, and where a database stands."""

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy.engine import URL

from assistant.db.engine import driver_url
from assistant.resources import resource_dir

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_SCHEMA: Final = "migrations"

LOCK: Final = "goalspace.migrations"
"""Held, as an advisory lock, by whoever changes the schema or fills the whole database."""


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Apply what is missing, each revision in a transaction of its own."""
    _command().upgrade(_config(url), revision)


def downgrade(url: str | URL, revision: str) -> None:
    """Back to `revision`; `base` removes everything but roles and extensions."""
    _command().downgrade(_config(url), revision)


def check(url: str | URL) -> None:
    """Compare models and database. Raises alembic.util.CommandError where they differ."""
    _command().check(_config(url))


def revisions() -> list[str]:
    """Those that come with this package, the oldest first. File names begin with them; the history is one line."""
    return sorted(path.stem[: len("20260101_01")] for path in _versions().glob("[0-9]*.py"))


def head() -> str:
    """The newest one."""
    return revisions()[-1]


def current(connection: psycopg.Connection[object]) -> str | None:
    """Where the database stands; None: untouched."""
    if connection.execute("select to_regclass(%s)", (f"{VERSION_SCHEMA}.alembic_version",)).fetchone() == (None,):
        return None
    row = connection.execute("select version_num from migrations.alembic_version").fetchone()
    return None if row is None else str(row[0])  # type: ignore[index]


def _command() -> Any:
    from alembic import command  # imported late, as above

    return command


def _versions() -> Path:
    return resource_dir("migrations") / "versions"


def _config(url: str | URL) -> "Config":
    from alembic.config import Config  # imported late: a server that is up to date never needs it

    config = Config(stdout=StringIO())  # what it finds comes as an error
    config.set_main_option("script_location", str(resource_dir("migrations")).replace("%", "%%"))
    config.attributes["url"] = driver_url(url)
    return config
