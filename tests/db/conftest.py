"""Databases of their own on the tests' server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from assistant.db.roles import Logins
from assistant.db.setup import Server, connect

NewDatabase = Callable[[], str]


@contextmanager
def _database(server: Server) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with connect(server.url) as connection:
        connection.execute(f"create database {name}")
    try:
        yield at(server.url, name)
    finally:
        with connect(server.url) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def new_database(server: Server) -> Iterator[NewDatabase]:
    """`new_database()`: the address of an empty one, which is gone after the module's tests."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_database(server))


def at(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def server_at(server: Server, url: str) -> Server:
    """The same server with another of its databases."""
    name = make_url(url).database or ""
    logins = Logins(at(server.logins.login_url, name), at(server.logins.jobs_url, name))
    return replace(server, url=url, direct_url=url, logins=logins)
