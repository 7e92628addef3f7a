"""What several commands do: read the settings, open the database, find people and spaces."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import click

from assistant.accounts import repository as people
from assistant.accounts.service import normalise
from assistant.cli.errors import command_line_errors
from assistant.cli.signals import run
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.db.setup import open_server
from assistant.errors import NotFoundError
from assistant.settings import Settings, load_settings
from assistant.spaces.repository import owner_of
from assistant.telemetry import configure_logging

__all__ = ["command_line_errors", "find_space", "find_user", "open_database", "open_settings", "print_json", "run"]


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
