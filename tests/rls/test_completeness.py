"""The table speaks of everything: a table or function that is added without its rows shows here."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from assistant.db.setup import Server, connect
from tests.rls.cases import CASES

ASKED_BY_OTHERS = {
    "local_time": "computes from what it is given",
    "member_spaces": "the policies' own question: says of the caller only",
    "nearest_chunks": "a part of the search statement; tests/knowledge/test_search.py asks it as others",
    "owned_spaces": "as member_spaces",
    "uuid_generate_v4": "a random id",
}
"""Functions that clients may call and that have no row, with the reason."""


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    with connect(server.url) as opened:
        yield opened


def test_every_table_and_view_has_rows(connection: psycopg.Connection[Any]) -> None:
    there = connection.execute("""
        select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p', 'm', 'v')
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')""").fetchall()
    assert {name for (name,) in there} == {wanted.table for wanted in CASES}


def test_every_function_that_clients_may_call_has_a_row_or_a_reason(connection: psycopg.Connection[Any]) -> None:
    there = connection.execute("""
        select distinct p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        cross join (select oid from pg_roles where rolname in ('anon', 'authenticated')) r
        where n.nspname in ('public', 'assistant', 'private') and has_function_privilege(r.oid, p.oid, 'EXECUTE')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')""").fetchall()
    called = {name for (name,) in there if any(f"{name}(" in wanted.sql for wanted in CASES)}
    assert {name for (name,) in there} == called | ASKED_BY_OTHERS.keys()
