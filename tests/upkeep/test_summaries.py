"""`space_summaries`: right, fresh, and not refreshed more often than it should be."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from assistant.db.errors import DatabaseUnavailableError
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.spaces.jobs import refresh_summaries
from tests.fixtures.database import join_space
from tests.upkeep.conftest import Someone, make_someone, rows

FIGURES = "total_modules, total_tasks, completed_tasks, completed_modules, overall_progress"


@pytest.fixture
async def fresh(own: Database) -> Database:
    """The database, once the view shows everything and a refresh is long ago."""
    await refresh_summaries(own, pause_seconds=0)
    await rows(own, "update assistant.upkeep set finished_at = now() - interval '1 hour', seconds = 0")
    return own


async def act(database: Database, who: Someone, *statements: str, **values: object) -> None:
    """As the person, in one transaction."""
    async with database.transaction(who.principal) as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement, {"space": who.space, "me": who.id} | values)


async def each(database: Database, *statements: str) -> None:
    """As the service, in one transaction."""
    async with database.service("maintain") as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def add_modules(database: Database, who: Someone, count: int) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    for module in ids:
        await act(
            database,
            who,
            "insert into modules (id, space_id, title, content_type) values (%(id)s, %(space)s, 'Knots', 'text')",
            id=module,
        )
    return ids


async def add_tasks(database: Database, who: Someone, *statuses: str) -> None:
    for status in statuses:
        await act(
            database,
            who,
            "insert into tasks (space_id, title, status) values (%(space)s, 'Tie', %(status)s)",
            status=status,
        )


async def progress(database: Database, who: Someone, modules: list[UUID], *percentages: int) -> None:
    for module, percentage in zip(modules, percentages, strict=True):
        await act(
            database,
            who,
            "insert into module_progress (module_id, user_id, completion_percentage) values (%(m)s, %(me)s, %(p)s)",
            m=module,
            p=percentage,
        )


async def seen(database: Database, who: Someone) -> tuple[object, ...]:
    """What the view shows of the person's space."""
    found = await database.fetch(
        who.principal, "select total_modules, total_tasks, completed_tasks, completed_modules, overall_progress"
        " from my_space_summaries() where space_id = %s", (who.space,)
    )  # fmt: skip
    return found[0]


async def test_the_figures_are_those_counted_by_hand(fresh: Database) -> None:
    """Many of each: modules, tasks and other people's progress must not multiply each other."""
    ada, bob = await make_someone(fresh), await make_someone(fresh)
    await act(fresh, ada, "update spaces set visibility = 'shared' where id = %(space)s")
    await join_space(fresh, ada.space, bob.id, "viewer")
    modules = await add_modules(fresh, ada, 7)
    await add_tasks(fresh, ada, *["completed"] * 3, *["pending"] * 5, "in_progress")
    await progress(fresh, ada, modules[:4], 100, 100, 99, 0)
    await progress(fresh, bob, modules, *[100] * 7)
    empty = await make_someone(fresh)

    assert await refresh_summaries(fresh) == 0
    expected = (7, 9, 3, 2, Decimal("28.57"))  # 2 of 7
    assert await seen(fresh, ada) == expected
    assert await fresh.fetch(
        bob.principal, f"select {FIGURES} from my_space_summaries() where space_id = %s", (ada.space,)
    ) == [expected]
    assert await fresh.fetch(ada.principal, f"select {FIGURES} from assistant.space_summary(%s)", (ada.space,)) == [
        expected
    ]
    assert await seen(fresh, empty) == (0, 0, 0, 0, 0)


async def test_a_burst_of_changes_is_one_refresh_and_a_pause(fresh: Database) -> None:
    ada = await make_someone(fresh)
    assert await refresh_summaries(fresh) == 0
    await add_tasks(fresh, ada, *["pending"] * 20)
    lag = await refresh_summaries(fresh)
    assert lag > 0
    assert await seen(fresh, ada) == (0, 0, 0, 0, 0)  # not so soon again
    await rows(fresh, "update assistant.upkeep set finished_at = now() - interval '31 seconds'")
    assert await refresh_summaries(fresh) == 0
    assert await seen(fresh, ada) == (0, 20, 0, 0, 0)
    [before] = await rows(fresh, "select finished_at from assistant.upkeep where step = 'space_summaries'")
    await rows(fresh, "update assistant.upkeep set finished_at = now() - interval '1 hour'")
    [before] = await rows(fresh, "select finished_at from assistant.upkeep where step = 'space_summaries'")
    assert await refresh_summaries(fresh) == 0
    after = await rows(fresh, "select finished_at from assistant.upkeep where step = 'space_summaries'")
    assert after == [before]  # nothing had changed


async def test_a_refresh_that_takes_long_is_followed_by_a_longer_pause(fresh: Database) -> None:
    ada = await make_someone(fresh)
    await rows(
        fresh,
        "insert into assistant.upkeep (step, finished_at, seconds)"
        " values ('space_summaries', now() - interval '60 s', 9)"
        " on conflict (step) do update set finished_at = excluded.finished_at, seconds = excluded.seconds",
    )
    await add_tasks(fresh, ada, "pending")
    assert await refresh_summaries(fresh) > 0
    await rows(fresh, "update assistant.upkeep set seconds = 5")
    assert await refresh_summaries(fresh) == 0


async def test_only_one_refreshes_at_a_time_and_nobody_waits(fresh: Database, own_server: Server) -> None:
    await make_someone(fresh)
    with connect(own_server.url) as other, other.transaction():
        other.execute("select pg_advisory_xact_lock(hashtext('goalspace.space_summaries'))")
        assert await refresh_summaries(fresh, pause_seconds=0) > 0
    assert await refresh_summaries(fresh, pause_seconds=0) == 0


async def test_what_is_committed_during_a_refresh_is_not_forgotten(fresh: Database, own_server: Server) -> None:
    ada = await make_someone(fresh)
    with connect(own_server.url) as writer:
        writer.execute("begin")
        writer.execute("insert into tasks (space_id, title) values (%s, 'Splice')", (ada.space,))
        await add_tasks(fresh, ada, "completed")
        assert await refresh_summaries(fresh, pause_seconds=0) == 0
        assert await seen(fresh, ada) == (0, 1, 1, 0, 0)
        writer.execute("commit")
    assert await refresh_summaries(fresh) > 0
    assert await refresh_summaries(fresh, pause_seconds=0) == 0
    assert await seen(fresh, ada) == (0, 2, 1, 0, 0)


@pytest.mark.parametrize(
    ("statement", "marks"),
    [
        ("update spaces set title = 'Knots' where id = %(space)s", 1),
        ("update spaces set description = 'Knots' where id = %(space)s", 0),
        ("update tasks set status = 'completed' where space_id = %(space)s", 1),
        ("update tasks set title = 'Splice' where space_id = %(space)s", 0),
        ("update modules set title = 'Splices' where space_id = %(space)s", 0),
        ("update module_progress set completion_percentage = 100 where user_id = %(me)s", 1),
        ("delete from module_progress where user_id = %(me)s", 1),
        ("delete from tasks where space_id = %(space)s", 1),
    ],
)
async def test_what_the_view_shows_leaves_a_mark_when_it_changes(fresh: Database, statement: str, marks: int) -> None:
    ada = await make_someone(fresh)
    await progress(fresh, ada, await add_modules(fresh, ada, 1), 50)
    await add_tasks(fresh, ada, "pending")
    await rows(fresh, "delete from assistant.summary_changes")
    await act(fresh, ada, statement)
    assert await rows(fresh, "select count(*) from assistant.summary_changes") == [(marks,)]


async def test_what_is_rolled_back_leaves_no_mark(fresh: Database, own_server: Server) -> None:
    ada = await make_someone(fresh)
    await rows(fresh, "delete from assistant.summary_changes")
    with connect(own_server.url) as connection, connection.transaction(force_rollback=True):
        connection.execute("insert into tasks (space_id, title) values (%s, 'Splice')", (ada.space,))
    assert await refresh_summaries(fresh) == 0


async def test_a_refresh_that_is_cut_off_leaves_everything_to_be_done(fresh: Database, own_server: Server) -> None:
    ada = await make_someone(fresh)
    await add_tasks(fresh, ada, "completed")
    with connect(own_server.url) as other, other.transaction():
        other.execute("refresh materialized view public.space_summaries")  # past the function, and not committed yet
        hurried = "set local statement_timeout = 100", "select assistant.refresh_stale_summaries('0 s')"
        with pytest.raises(DatabaseUnavailableError, match="too long"):
            await each(fresh, *hurried)
    [(marks,)] = await rows(fresh, "select count(*) from assistant.summary_changes")
    assert marks > 0
    assert await refresh_summaries(fresh) == 0
    assert await seen(fresh, ada) == (0, 1, 1, 0, 0)
