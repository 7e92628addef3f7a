"""Months: made ahead, mended, retired. Every date is given: no test depends on the day it runs on."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.upkeep.partitions import ensure_partitions, stray_months
from assistant.upkeep.steps import Policy
from tests.upkeep.conftest import Someone, history, maintained, make_someone, noon, owners_rows, rows, say


def months(server: Server, year: int, parent: str = "chat_messages") -> list[str]:
    """Attached ones of a year."""
    found = owners_rows(
        server,
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = %s::regclass and c.relname ~ %s order by 1",
        parent,
        f"_{year}_",
    )
    return [name.removeprefix(f"{parent}_") for (name,) in found]


def is_closed(server: Server) -> bool:
    """Every partition, attached or not, has its policies forced, and no client a right to it."""
    return owners_rows(
        server,
        """select count(*) from pg_class c, (values ('anon'), ('authenticated'), ('service_role')) r(name)
           where c.relnamespace = 'partitions'::regnamespace and c.relkind = 'r'
             and (not (c.relrowsecurity and c.relforcerowsecurity)
                  or has_schema_privilege(r.name, 'partitions', 'usage')
                  or has_table_privilege(r.name, c.oid, 'select, insert, update, delete, truncate'))""",
    ) == [(0,)]


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2031, 10, 31), ["2031_10", "2031_11", "2031_12"]),
        (date(2031, 11, 1), ["2031_10", "2031_11", "2031_12"]),
        (date(2032, 2, 29), ["2032_01", "2032_02", "2032_03", "2032_04", "2032_05"]),
        (date(2032, 1, 1), ["2032_01", "2032_02", "2032_03", "2032_04", "2032_05"]),  # a clock that was set back
    ],
)
async def test_the_month_and_three_more_are_there_on_any_day(
    own_server: Server, own: Database, today: date, expected: list[str]
) -> None:
    await ensure_partitions(own, today)
    assert await ensure_partitions(own, today) == 0
    for parent in ("chat_messages", "usage_logs"):
        assert months(own_server, today.year, parent) == expected
    assert is_closed(own_server)


async def test_the_last_moment_of_a_leap_day_is_of_its_month(own_server: Server, own: Database, ada: Someone) -> None:
    await ensure_partitions(own, date(2036, 2, 29))
    last = datetime(2036, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    await say(own, ada, last)
    await say(own, ada, last + timedelta(microseconds=1))
    found = owners_rows(
        own_server, "select tableoid::regclass::text from chat_messages where user_id = %s order by 1", ada.id
    )
    assert found == [("partitions.chat_messages_2036_02",), ("partitions.chat_messages_2036_03",)]


async def test_four_months_late_nothing_is_refused_lost_or_hidden(own_server: Server, own: Database) -> None:
    ada, bob = await make_someone(own), await make_someone(own)
    for month in range(3, 8):
        for who in (ada, bob):
            await say(own, who, noon(2033, month), f"{month}")
        await rows(
            own,
            "insert into usage_logs (user_id, resource_type, action, created_at) values (%s, 'space', 'chat', %s)",
            ada.id,
            noon(2033, month),
        )
    before = await history(own, ada), await history(own, bob)
    assert {stray.rows for stray in await stray_months(own) if stray.month.year == 2033} == {1, 2}

    told = await maintained(own_server, own, date(2033, 7, 20))
    assert told["partitions"].startswith("6 made")  # of July there are rows astray
    assert told["stray rows"].startswith("moved 2 of chat_messages 2033-03, 2 of chat_messages 2033-04")

    assert await stray_months(own) == []
    assert (await history(own, ada), await history(own, bob)) == before
    assert months(own_server, 2033) == [f"2033_{month:02}" for month in range(3, 11)]
    assert is_closed(own_server)
    indexes = owners_rows(
        own_server,
        "select (select count(*) from pg_index where indrelid = 'partitions.chat_messages_2033_04'::regclass),"
        " (select count(*) from pg_index where indrelid = 'chat_messages'::regclass)",
    )
    assert indexes[0][0] == indexes[0][1]
    await rows(own, "delete from auth.users where id = %s", bob.id)
    [(of_bob,)] = await rows(own, "select count(*) from chat_messages where user_id = %s", bob.id)
    assert of_bob == 0
    assert await history(own, ada) == before[0]
    assert (await maintained(own_server, own, date(2033, 7, 20)))["stray rows"] == "none"


async def test_what_is_written_while_a_month_is_moved_is_moved_too(own_server: Server, own: Database) -> None:
    ada, bob = await make_someone(own), await make_someone(own)
    await say(own, ada, noon(2034, 5), "before")
    await ensure_partitions(own, date(2034, 5, 20))  # the others: so that it is the moving that has to wait
    with connect(own_server.url) as writer:
        writer.execute("begin")
        writer.execute(
            "insert into chat_messages (space_id, user_id, message, created_at) values (%s, %s, 'meanwhile', %s)",
            (bob.space, bob.id, noon(2034, 5)),
        )
        moving = asyncio.create_task(maintained(own_server, own, date(2034, 5, 20)))
        async with asyncio.timeout(20):
            while not await rows(
                own, "select from pg_locks where not granted and mode = 'AccessExclusiveLock' and locktype = 'relation'"
            ):
                assert not moving.done()
                await asyncio.sleep(0.01)
        assert [message for _, message in await history(own, ada)] == ["before"]  # seen while it is moved
        writer.execute("commit")
        told = await moving
    assert "moved 2 of chat_messages 2034-05" in told["stray rows"]
    assert [message for _, message in await history(own, bob)] == ["meanwhile"]
    assert await stray_months(own) == []


async def test_rows_of_no_time_stay_where_they_are_and_are_told(
    own_server: Server, own: Database, ada: Someone
) -> None:
    await say(own, ada, datetime(1899, 1, 1, tzinfo=UTC))
    try:
        told = await maintained(own_server, own, date(2033, 7, 20))
        assert "1 of chat_messages 1899-01 left in the default partition" in told["stray rows"]
        assert len(await history(own, ada)) == 1
    finally:
        await rows(own, "delete from chat_messages where created_at < '1900-01-01'")


async def test_old_months_are_taken_out_and_only_then_dropped(own_server: Server, own: Database, ada: Someone) -> None:
    await ensure_partitions(own, date(2041, 10, 5))
    await ensure_partitions(own, date(2042, 1, 5))
    for year, month in ((2041, 10), (2041, 11), (2041, 12), (2042, 1)):
        await say(own, ada, noon(year, month), f"{month}")
    today, keeps_two = date(2042, 1, 31), Policy(keep_messages_months=2)

    told = await maintained(own_server, own, today, keeps_two)
    assert "chat_messages_2041_10" in told["retention"]
    assert "usage_logs" not in told["retention"]
    assert [message for _, message in await history(own, ada)] == ["11", "12", "1"]
    assert months(own_server, 2041) == ["2041_11", "2041_12"]
    assert owners_rows(own_server, "select message from partitions.chat_messages_2041_10") == [("10",)]
    assert is_closed(own_server)

    drops = Policy(keep_messages_months=2, drop_detached=True)
    assert "dropped" in (await maintained(own_server, own, today, drops))["retention"]
    assert owners_rows(own_server, "select to_regclass('partitions.chat_messages_2041_10')") == [(None,)]
    assert [message for _, message in await history(own, ada)] == ["11", "12", "1"]
    assert (await maintained(own_server, own, today, drops))["retention"] == "nothing is old enough"


async def test_a_late_row_of_a_retired_month_brings_the_month_back(own_server: Server, own: Database) -> None:
    ada = await make_someone(own)
    await ensure_partitions(own, date(2044, 1, 5))
    await say(own, ada, noon(2044, 1), "before")
    await maintained(own_server, own, date(2044, 4, 1), Policy(keep_messages_months=1))
    assert await history(own, ada) == []
    await say(own, ada, noon(2044, 1), "late")
    await maintained(own_server, own, date(2044, 4, 1))
    assert [message for _, message in await history(own, ada)] == ["before", "late"]


@pytest.mark.parametrize("call", ["move_month('users', '2033-01-01')", "prepare_month('chat_messages', '2033-01-02')"])
async def test_only_months_of_the_two_tables_are_moved(own: Database, call: str) -> None:
    with pytest.raises(Exception, match="no month of a partitioned table"):
        await rows(own, f"select assistant.{call}")


async def test_a_retired_month_comes_back_as_the_page_on_operations_says(own_server: Server, own: Database) -> None:
    ada = await make_someone(own)
    await ensure_partitions(own, date(2046, 1, 5))
    await say(own, ada, noon(2046, 1), "kept after all")
    await maintained(own_server, own, date(2046, 4, 1), Policy(keep_messages_months=1))
    assert await history(own, ada) == []
    owners_rows(
        own_server,
        "select private.prepare_partition('chat_messages', '2046-01-01'),"
        " private.attach_partition('chat_messages', '2046-01-01')",
    )
    assert [message for _, message in await history(own, ada)] == ["kept after all"]
    assert is_closed(own_server)


async def test_runs_go_with_the_messages_that_are_dropped_and_not_before(own_server: Server, own: Database) -> None:
    ada = await make_someone(own)
    for status, began in (("completed", "2047-10-31"), ("completed", "2047-11-01"), ("running", "2047-10-31")):
        await rows(
            own,
            "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, status, process, lease_until,"
            " created_at, finished_at) values (%s, %s, %s, %s, %s, gen_random_uuid(), now(), %s,"
            " case when %s = 'completed' then now() end)",
            ada.id,
            ada.space,
            f"{status} {began}",
            f"{status} {began}",
            status,
            began,
            status,
        )
    query = "select client_run_id from assistant.runs where user_id = %s order by 1"
    today = date(2048, 1, 15)
    await maintained(own_server, own, today, Policy(keep_messages_months=2))
    assert len(await rows(own, query, ada.id)) == 3
    await maintained(own_server, own, today, Policy(keep_messages_months=2, drop_detached=True))
    assert await rows(own, query, ada.id) == [("completed 2047-11-01",), ("running 2047-10-31",)]


async def test_attaching_a_month_reads_none_of_its_rows(own_server: Server, own: Database) -> None:
    """Its check says that they belong there."""
    said: list[str] = []
    with connect(own_server.url) as connection, connection.transaction(force_rollback=True):
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        connection.execute("select private.prepare_partition('usage_logs', '2051-01-01')")
        connection.execute("set local client_min_messages = debug1")
        connection.execute("select private.attach_partition('usage_logs', '2051-01-01')")
    assert 'partition constraint for table "usage_logs_2051_01" is implied by existing constraints' in said
