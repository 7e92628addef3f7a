"""What several commands do: read the settings, open the database, find people and spaces."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.markup import escape

from assistant.accounts import repository as people
from assistant.accounts.service import normalise
from assistant.cli.errors import command_line_errors
from assistant.cli.signals import run
from assistant.db.embedded import open_embedded
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.db.setup import open_server
from assistant.errors import NotFoundError
from assistant.settings import Settings, load_settings
from assistant.spaces.repository import owner_of
from assistant.telemetry import configure_logging

__all__ = [
    "command_line_errors",
    "find_space",
    "find_user",
    "migrations_url",
    "open_database",
    "open_settings",
    "print_json",
    "run",
    "telling",
]


def open_settings() -> Settings:
    """From the environment and `.env`; what is logged from here on goes to stderr. Raises ConfigurationError."""
    settings = load_settings()
    configure_logging("debug" if settings.log_level == "debug" else "warning")
    return settings


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Raises ConfigurationError where it is not to be had, or not up to date."""
    async with await open_server(settings) as server, server.open() as database:
        yield database


@contextmanager
def migrations_url(settings: Settings) -> Iterator[str]:
    """The address of the migrations' role, around a pooler, whatever state the schema is in."""
    if settings.database_url is not None:
        yield (settings.direct_url or settings.database_url).get_secret_value()
        return
    server = open_embedded(settings.data_dir)
    try:
        yield server.url
    finally:
        server.close()


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Shows what long work is at, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Console(stderr=True).status("…") as status:
        yield lambda what: status.update(escape(what))


async def find_user(database: Database, email: str) -> UUID:
    """Raises NotFoundError."""
    async with database.service("accounts") as connection:
        user_id = await people.find_user_id(connection, normalise(email))
    if user_id is None:
        raise NotFoundError(f"There is no user with the address {email}; 'goalspace user create {email}' makes one.")
    return user_id


async def find_space(database: Database, space: UUID, email: str | None) -> Principal:
    """As whom a command works in a space: the person of that address, else the owner. Raises NotFoundError."""
    async with database.service("resolve_user") as connection:
        owner = await owner_of(connection, space)
    if owner is None:
        raise NotFoundError(f"There is no space {space}.")
    return learner(owner if email is None else await find_user(database, email))


def print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))
