"""Revisions: up, down, and where a database stands."""

import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from assistant.db.engine import driver_url
from assistant.errors import AssistantError
from assistant.resources import resource_dir

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)

VERSION_SCHEMA: Final = "migrations"

LOCK: Final = "goalspace.migrations"
"""Held, as an advisory lock, by whoever changes the schema or fills the whole database."""


LOCK_TIMEOUT: Final = "5s"
"""How long a revision waits for a lock that a running service holds. Behind it, the service's requests wait, too."""

PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before it tries again, so that those requests can be answered."""


class LockedError(AssistantError):
    code, title = "schema", "Schema"


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Apply what is missing, each revision in a transaction of its own.

    Raises LockedError where somebody holds a lock all the time; revisions before that one have been applied.
    """
    _patiently(lambda: _command().upgrade(_config(url), revision))


def downgrade(url: str | URL, revision: str) -> None:
    """Back to `revision`; `base` removes everything but roles and extensions. Raises LockedError."""
    _patiently(lambda: _command().downgrade(_config(url), revision))


def _patiently(work: Callable[[], None]) -> None:
    for pause in PAUSES:
        if _is_done(work):
            return
        log.warning("migration_waits", seconds=pause)
        time.sleep(pause)
    if not _is_done(work):
        raise LockedError(
            "A table is in use all the time, and the schema cannot be changed: stop what uses it, such as a backup or "
            "a long transaction, and run this again. What was done so far stays."
        )


def _is_done(work: Callable[[], None]) -> bool:
    """False: somebody holds a lock that it needs."""
    try:
        work()
    except OperationalError as exc:
        if isinstance(exc.orig, psycopg.errors.LockNotAvailable):
            return False
        raise
    return True


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
