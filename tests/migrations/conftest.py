"""Databases of their own, whose schema tests may change."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from assistant.db.setup import Server, connect

NewDatabase = Callable[[], str]


@contextmanager
def _database(server: Server) -> Iterator[str]:
    name = f"migrations_{uuid4().hex[:12]}"
    with connect(server.url) as connection:
        connection.execute(f"create database {name}")
    try:
        yield make_url(server.url).set(database=name).render_as_string(hide_password=False)
    finally:
        with connect(server.url) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def new_database(server: Server) -> Iterator[NewDatabase]:
    """`new_database()`: the address of an empty one, which is gone after the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_database(server))
