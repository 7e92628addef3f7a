"""Whose the schema is: a superuser's, or somebody's who may make roles and is above policies."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from assistant.db import migrate
from assistant.db.embedded import open_embedded
from assistant.db.setup import connect, open_server
from assistant.errors import ConfigurationError
from tests.fixtures.database import make_settings


async def test_an_owner_who_is_no_superuser_does_all_but_make_the_extension(tmp_path: Path) -> None:
    """In a cluster of its own: roles belong to the cluster, and whoever made them may give them away."""
    cluster = open_embedded(tmp_path / "cluster")
    try:
        theirs = make_url(cluster.url).set(database="theirs")
        with connect(cluster.url) as connection:
            connection.execute("create role owner_of_it login createrole bypassrls password 'secret'")
            connection.execute("create database theirs owner owner_of_it")
        owner = theirs.set(username="owner_of_it", password="secret").render_as_string(hide_password=False)
        settings = make_settings(tmp_path / "data", DATABASE_URL=owner)
        with pytest.raises(ConfigurationError, match="superuser must run 'create extension vector' once"):
            await open_server(settings, upgrade=True)
        with connect(theirs.render_as_string(hide_password=False)) as connection:
            connection.execute("create extension vector")
        async with (
            await open_server(settings, upgrade=True) as server,
            server.open() as database,
            database.service("maintain") as transaction,
        ):
            await transaction.exec_driver_sql("select assistant.ensure_partitions(6)")
            await transaction.exec_driver_sql("select assistant.refresh_space_summaries()")
            for call in (
                "prepare_month('usage_logs', '2001-01-01')",
                "move_month('usage_logs', '2001-01-01')",
                "detach_months('usage_logs', 12, '2026-11-01')",
                "drop_detached_months('usage_logs', 12, '2026-11-01')",
                "refresh_statistics('conversations')",
            ):
                await transaction.exec_driver_sql(f"select assistant.{call}")
        async with await open_server(settings) as server:
            assert server.logins.login_url.startswith("postgresql")
        migrate.check(owner)
        migrate.downgrade(owner, "base")
    finally:
        cluster.close()
