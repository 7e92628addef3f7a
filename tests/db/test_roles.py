"""What the roles may do is looked at, too: a login that may do more makes every policy worthless."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from assistant.db.roles import role_faults
from assistant.db.setup import Server, connect


@pytest.fixture
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """What it changes is taken back: roles are the whole cluster's."""
    with connect(server.url) as opened, opened.transaction(force_rollback=True):
        yield opened


def test_roles_as_they_are_made_have_no_fault(connection: psycopg.Connection[Any]) -> None:
    assert role_faults(connection) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("alter role goalspace_login superuser", "role goalspace_login may do more than it needs"),
        ("alter role goalspace_login createrole", "role goalspace_login may do more than it needs"),
        ("alter role goalspace_login bypassrls", "role goalspace_login must not bypass policies"),
        ("alter role goalspace_jobs inherit", "role goalspace_jobs must not inherit what it may become"),
        ("grant service_role to goalspace_login",
         "role goalspace_login may become anon, authenticated, service_role"),
        ("revoke authenticated from goalspace_login", "role goalspace_login may become anon, not anon, authenticated"),
        ("alter role authenticated login", "role authenticated must not be able to log in"),
        ("alter role goalspace_definer nobypassrls", "role goalspace_definer must bypass policies"),
        ("alter role goalspace_login reset statement_timeout", "role goalspace_login lacks the setting statement_time"),
        ("alter role goalspace_jobs set lock_timeout = 0", "role goalspace_jobs lacks the setting lock_timeout = 2s"),
    ],
)  # fmt: skip
def test_each_fault_is_told(connection: psycopg.Connection[Any], change: str, told: str) -> None:
    connection.execute(change.encode())
    assert [fault for fault in role_faults(connection) if fault.startswith(told)]
