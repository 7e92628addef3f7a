"""What the database says no to, in terms of the domain. The one place that reads SQLSTATE."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assistant.db.quotas import as_refusal
from assistant.errors import AssistantError, ConflictError, ForbiddenError, InvalidError, UnavailableError

log = structlog.get_logger(__name__)


class DatabaseUnavailableError(UnavailableError):
    code = "database_unavailable"

    def __init__(self, detail: str = "The database does not answer; nothing was changed. Please try again.") -> None:
        super().__init__(detail)


class UnknownReferenceError(ConflictError):
    """A row that the new one points at is not there, or not the caller's to see: both read the same."""

    code = "unknown_reference"


class DuplicateError(ConflictError):
    """`constraint` is the name of the unique constraint that stood in the way."""

    code = "duplicate"

    def __init__(self, detail: str, constraint: str) -> None:
        super().__init__(detail)
        self.constraint = constraint


@contextmanager
def as_known_error() -> Iterator[None]:
    """Turn refusals of the database into errors of the service; anything unknown goes through as it is."""
    try:
        yield
    except PoolTimeoutError as exc:
        raise DatabaseUnavailableError("The service is busy; please try again in a moment.") from exc
    except DBAPIError as exc:
        known = translate(exc.orig)
        if known is None:
            raise
        raise known from exc
    except psycopg.Error as exc:  # from statements that went past SQLAlchemy
        known = translate(exc)
        if known is None:
            raise
        raise known from exc


def translate(error: BaseException | None) -> AssistantError | None:
    """The service's word for an error of psycopg, or None for one that nobody should see: a bug."""
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    constraint = error.diag.constraint_name or ""
    match state:
        case "42501":
            return ForbiddenError("You may not do this here.")
        case "23503":
            return UnknownReferenceError("Something that this refers to does not exist.")
        case "23505":
            return DuplicateError("Something with this name is already there.", constraint)
        case "23514" | "23502" | "22001" | "22003" | "22P02" | "22P05":
            path = error.diag.column_name or constraint.removeprefix(f"{error.diag.table_name}_")
            return InvalidError("A value is outside of what is allowed.", path=path)
        case "QU001":
            return as_refusal(error.diag.message_detail)
        case "25006":  # the server became a replica, or was told to take no changes
            return DatabaseUnavailableError("The database takes no changes at the moment; nothing was changed.")
        case "57014" | "55P03" | "40001" | "40P01" | "25P03" | "25P04":
            return DatabaseUnavailableError("The database took too long; nothing was changed. Please try again.")
        case "53100":
            return DatabaseUnavailableError("The database has no space left; nothing was changed.")
    if state[:2] in ("08", "53", "57") or (isinstance(error, psycopg.OperationalError) and not state):
        log.warning("database_unavailable", sqlstate=state)
        return DatabaseUnavailableError()
    return None
