"""Each revision up, down and up again, over a database in which every table of that time holds something."""

from assistant.db import migrate
from assistant.db.catalogue import describe
from assistant.db.setup import connect
from tests.fixtures.databases import NewDatabase
from tests.migrations.rows import Contents, columns_of, contents, empty_tables, fill


def described(url: str) -> dict[str, str]:
    with connect(url) as connection:
        return describe(connection)


def test_each_revision_keeps_the_rows_and_the_schema_that_it_finds(new_database: NewDatabase) -> None:
    url = new_database()
    for revision in migrate.revisions():
        with connect(url) as connection:
            columns = columns_of(connection)
            before = contents(connection, columns)
        schema = described(url)

        migrate.upgrade(url, revision)
        there = described(url)
        with connect(url) as connection:
            assert contents(connection, columns) == before, f"{revision} changes what it finds"
            fill(connection)
            assert empty_tables(connection) == [], "rows for them belong into tests/migrations/rows.py"
            filled = contents(connection, columns)

        migrate.downgrade(url, "-1")
        assert described(url) == schema, f"{revision} leaves something behind, or takes too much with it"
        with connect(url) as connection:
            assert changed(filled, contents(connection, columns)) <= TAKEN_BACK, f"the way back from {revision}"
        migrate.upgrade(url, revision)
        assert described(url) == there, f"{revision} is not the same the second time"
        with connect(url) as connection:
            assert changed(filled, contents(connection, columns)) <= TAKEN_BACK, f"{revision}, the second time"
            fill(connection)


TAKEN_BACK = {"jobs.procrastinate_jobs", "jobs.procrastinate_events"}
"""The way back takes the jobs with it that nobody can do any more."""


def changed(before: Contents, after: Contents) -> set[str]:
    return {table for table in before if before[table] != after[table]}
