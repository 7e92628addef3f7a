"""The table of who may do what holds in the real schema, cell by cell."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from assistant.db.setup import Server
from tests.rls.cases import CASES, Case, reached_unseen, wrong_cells
from tests.rls.world import World, build, open_connections


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return build(server)


@pytest.fixture(scope="module")
def connections(world: World) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    with open_connections(world) as opened:
        yield opened


@pytest.mark.parametrize("wanted", CASES, ids=lambda wanted: wanted.name)
def test_each_actor_may_do_exactly_what_the_table_says(
    wanted: Case, world: World, connections: dict[str, psycopg.Connection[Any]]
) -> None:
    assert not wrong_cells(wanted, world, connections)


@pytest.mark.parametrize("table", sorted({wanted.table for wanted in CASES} - {"space_summaries"}))
def test_a_change_without_a_condition_reaches_no_row_that_the_caller_does_not_see(
    table: str, world: World, connections: dict[str, psycopg.Connection[Any]]
) -> None:
    assert not reached_unseen(table, world, connections)
