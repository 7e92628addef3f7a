"""One round trip for several statements, and plans that the server keeps."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from assistant.db.connection import patient_for
from assistant.db.roundtrip import Remembered, numbered, run_together
from assistant.db.setup import Server

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    url = server.url.replace("postgresql+psycopg", "postgresql")
    async with await patient_for(5).connect(url, autocommit=True) as opened:
        yield opened


async def plans(connection: Connection) -> list[str]:
    cursor = await connection.execute("select statement from pg_prepared_statements where name like 'goalspace%'")
    return [row[0] for row in await cursor.fetchall()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("select 1", (b"select 1", ())),
        ("select %s, %s", (b"select $1, $2", ())),
        ("select %(b)s, %(a)s, %(b)s", (b"select $1, $2, $1", ("b", "a"))),
        ("select '50%%', %s", (b"select '50%', $1", ())),
    ],
)
def test_parameters_are_numbered(text: str, wanted: tuple[bytes, tuple[str, ...]]) -> None:
    assert numbered(text) == wanted


def test_a_percent_sign_alone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="percent"):
        numbered("select 5 % 3")


async def test_values_of_all_kinds_come_back_as_they_were(connection: Connection) -> None:
    one, many = uuid4(), ["a", "b"]
    statement = (
        "select %(one)s::uuid, %(many)s::text[], %(none)s::int, %(flag)s::bool, %(text)s::text, %(number)s::int8"
    )
    values = {"one": one, "many": many, "none": None, "flag": True, "text": "ü\u2028'", "number": 2**40, "other": 1}
    remembered = Remembered()
    for _ in range(2):
        rows = await run_together(connection, remembered, [(statement, values), ("select 1 where false", ())])
        assert rows == [[(one, many, None, True, "ü\u2028'", 2**40)], []]


async def test_a_statement_is_planned_once(connection: Connection) -> None:
    remembered = Remembered()
    for number in range(3):
        assert await run_together(connection, remembered, [("select %s::int", (number,))]) == [[(number,)]]
    assert await plans(connection) == ["select $1::int"]


async def test_what_failed_is_not_done_and_its_plan_is_not_asked_for_again(connection: Connection) -> None:
    await connection.execute("create temporary table t (n int primary key)")
    remembered = Remembered()
    insert = ("insert into t values (%s)", (1,))
    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await run_together(connection, remembered, [insert, insert])
    assert await run_together(connection, remembered, [("select n from t", ())]) == [[]]
    assert sorted(await plans(connection)) == ["insert into t values ($1)", "select n from t"]


async def test_a_value_that_cannot_be_sent_leaves_the_connection_as_it_was(connection: Connection) -> None:
    remembered = Remembered()
    with pytest.raises(psycopg.ProgrammingError):
        await run_together(connection, remembered, [("select 1", ()), ("select %s", (object(),))])
    with pytest.raises(psycopg.DataError):
        await run_together(connection, remembered, [("select %s", ("a\0b",))])
    assert await run_together(connection, remembered, [("select 2", ())]) == [[(2,)]]


async def test_more_than_fits_into_the_socket_at_once(connection: Connection) -> None:
    long = "x" * 20_000_000
    rows = await run_together(connection, Remembered(), [("select %s::text", (long,)), ("select %s::text", (long,))])
    assert rows == [[(long,)], [(long,)]]


async def test_behind_a_pooler_nothing_is_remembered(connection: Connection) -> None:
    connection.prepare_threshold = None
    assert await run_together(connection, Remembered(), [("select %s::int", (1,))]) == [[(1,)]]
    assert await plans(connection) == []
