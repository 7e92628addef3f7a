"""An embedded database of its own for a measurement in this process, and people with spaces in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import psycopg

from assistant.accounts.repository import insert_identity, insert_user
from assistant.db.engine import libpq_url
from assistant.db.identity import Principal, learner
from assistant.db.session import Database
from assistant.db.setup import Server, open_server
from assistant.goals.service import open_goal
from assistant.settings import Settings
from assistant.spaces.service import open_space
from assistant.telemetry import configure_logging


@dataclass(frozen=True, slots=True)
class Place:
    """A space and its owner."""

    space_id: UUID
    owner: Principal


@asynccontextmanager
async def open_database(data_dir: Path) -> AsyncIterator[tuple[Server, Database]]:
    """Migrated, whatever the environment says; it ends with the block."""
    values: dict[str, object] = {"data_dir": data_dir, "DATABASE_URL": None, "login_url": None, "jobs_url": None}
    settings = Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]  # pydantic checks them
    configure_logging("warning")
    async with await open_server(settings, upgrade=True) as server, server.open() as database:
        yield server, database


def database_cpu(server: Server) -> float:
    """Seconds of processor time that the database has spent on this service's connections that are open."""
    address = libpq_url(server.url)
    select = "select pid from pg_stat_activity where application_name like 'goalspace%'"
    with psycopg.connect(address) as connection:
        times = [psutil.Process(pid).cpu_times() for (pid,) in connection.execute(select)]
    return sum(spent.user + spent.system for spent in times)


async def make_places(database: Database, people: int, spaces: int) -> list[Place]:
    """So many people with so many spaces each."""
    return [place for _ in range(people) for place in await _make_person(database, spaces)]


async def _make_person(database: Database, spaces: int) -> list[Place]:
    user_id = uuid4()
    email = f"{user_id}@example.org"
    async with database.service("accounts") as connection:
        await insert_identity(connection, user_id, email)
        await insert_user(connection, user_id, email, "Bench")
    owner = learner(user_id)
    async with database.session(owner) as session:
        goal = await open_goal(session, user_id, {"title": "Measure"})
        titles = [f"Space {number}" for number in range(spaces)]
        opened = [await open_space(session, user_id, {"goal_id": goal.id, "title": title}) for title in titles]
        return [Place(space.id, owner) for space in opened]
