"""From settings to a database that can be used: embedded or given, migrated, with its two logins."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import psycopg
import structlog
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.embedded import EmbeddedServer, start_embedded
from assistant.db.engine import libpq_url
from assistant.db.replica import Replica
from assistant.db.roles import Logins, ensure_roles, read_logins, set_passwords
from assistant.db.session import Database
from assistant.errors import ConfigurationError
from assistant.settings import Settings

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5


@dataclass(slots=True)
class Server:
    """A database server and how to reach it. Closing it lets go of an embedded one."""

    url: str
    """The migrations' role."""
    logins: Logins
    direct_url: str
    """For listeners and session locks: never through a transaction pooler."""
    embedded: EmbeddedServer | None
    pool_size: int
    is_pooled: bool = False
    """Whether a transaction pooler stands before it."""
    replica_url: str | None = None
    """As the clients' login."""
    replica_lag_seconds: float = 0.0

    @property
    def listen_url(self) -> str:
        """For a connection that waits for notifications, as the service's own login."""
        login = make_url(self.logins.jobs_url)
        address = make_url(self.direct_url).set(
            drivername="postgresql", username=login.username, password=login.password
        )
        return address.render_as_string(hide_password=False)

    def open(self) -> Database:
        replica = None
        if self.replica_url is not None:
            replica = Replica(
                self.replica_url,
                pool_size=self.pool_size,
                lag_seconds=self.replica_lag_seconds,
                prepares=not self.is_pooled,
            )
        return Database(
            self.logins.login_url,
            self.logins.jobs_url,
            pool_size=self.pool_size,
            prepares=not self.is_pooled,
            replica=replica,
        )

    async def aclose(self) -> None:
        if self.embedded is not None:
            await asyncio.to_thread(self.embedded.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def open_server(settings: Settings, *, upgrade: bool = False) -> Server:
    """Start or find the database, and make sure that its schema is this package's.

    An embedded one is migrated by itself, a given one only if `upgrade` is set.
    Raises ConfigurationError, with one line that says what to do.
    """
    if settings.database_url is None:
        embedded = await start_embedded(settings.data_dir)
        try:
            return await asyncio.to_thread(_prepare, settings, embedded.url, embedded, upgrade=True)
        except BaseException:
            await asyncio.to_thread(embedded.close)
            raise
    return await asyncio.to_thread(_prepare, settings, settings.database_url.get_secret_value(), None, upgrade=upgrade)


def _prepare(settings: Settings, url: str, embedded: EmbeddedServer | None, *, upgrade: bool) -> Server:
    direct = settings.direct_url.get_secret_value() if settings.direct_url else url
    secrets_file = settings.data_dir / "database-logins.json"
    with connect(direct) as connection:
        check_server(connection)
        current, newest = migrate.current(connection), migrate.head()
        if current is not None and current > newest:
            raise ConfigurationError(
                f"The database is at revision {current}, newer than this version's {newest}; install a newer version."
            )
        if current != newest and not upgrade:
            raise ConfigurationError(
                f"The database is at revision {current or 'none'}, this version needs {newest}; "
                "run 'goalspace db upgrade'."
            )
        logins = _given_logins(settings) or read_logins(url, secrets_file)
        if upgrade and (current != newest or logins is None or not _can_log_in(logins)):
            ensure_roles(connection)
            if not _given_logins(settings) and (logins is None or not _can_log_in(logins)):
                set_passwords(connection, secrets_file)
                logins = read_logins(url, secrets_file)
    if logins is None:
        raise ConfigurationError(
            "The service's logins are not known here; run 'goalspace db upgrade' or set "
            "GOALSPACE_LOGIN_URL and GOALSPACE_JOBS_URL."
        )
    if current != newest:
        log.info("database_upgrade", current=current, newest=newest)
        migrate.upgrade(direct)
    return Server(
        url,
        logins,
        direct,
        embedded,
        settings.pool_size,
        is_pooled=settings.direct_url is not None,
        replica_url=_replica_url(settings, logins),
        replica_lag_seconds=settings.replica_lag_seconds,
    )


def _replica_url(settings: Settings, logins: Logins) -> str | None:
    """The replica's address with the clients' login: a replica has the roles and passwords of its primary."""
    if settings.replica_url is None:
        return None
    login = make_url(logins.login_url)
    address = make_url(settings.replica_url.get_secret_value())
    return address.set(username=login.username, password=login.password).render_as_string(hide_password=False)


def connect(url: str) -> psycopg.Connection[object]:
    """A connection as the migrations' role. Raises ConfigurationError where the server is not to be had."""
    address = libpq_url(url)
    try:
        return psycopg.connect(address, connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.Error as exc:
        reason = str(exc).strip().splitlines()[-1] if str(exc).strip() else "no answer"
        raise ConfigurationError(f"DATABASE_URL: the database cannot be reached: {reason}") from exc


def check_server(connection: psycopg.Connection[object]) -> None:
    if connection.info.server_version < 150000:
        raise ConfigurationError("PostgreSQL 15 or newer is needed.")
    row = connection.execute(
        "select a.default_version, a.installed_version is not null or v.trusted or r.rolsuper"
        " from pg_available_extensions a join pg_available_extension_versions v"
        " on v.name = a.name and v.version = a.default_version"
        " join pg_roles r on r.rolname = current_user where a.name = 'vector'"
    ).fetchone()
    if row is None:
        raise ConfigurationError("The database server lacks the extension pgvector (0.8 or newer).")
    version, is_to_be_had = str(row[0]), row[1]  # type: ignore[index]
    if not is_to_be_had:
        raise ConfigurationError(
            "The database lacks the extension: a superuser must run 'create extension vector' once."
        )
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 8):
        raise ConfigurationError(f"pgvector 0.8 or newer is needed; the server has {version}.")


def _given_logins(settings: Settings) -> Logins | None:
    if settings.login_url is None or settings.jobs_url is None:
        return None
    return Logins(settings.login_url.get_secret_value(), settings.jobs_url.get_secret_value())


def _can_log_in(logins: Logins) -> bool:
    """Passwords that were kept may be those of another cluster, or changed by another installation."""
    for url in (logins.login_url, logins.jobs_url):
        with suppress(ConfigurationError):
            connect(url).close()
            continue
        return False
    return True
