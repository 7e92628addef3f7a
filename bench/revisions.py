"""What a revision of the schema does to those who work meanwhile, with a million rows in each of the large tables.

    python -m bench.revisions [--rows 1000000] [--from 20261124_07]

The schema as of `--from` is filled with so many tasks, messages and runs; each later revision is then applied by
itself, as `goalspace db upgrade` does it, while five learners make 50 requests a second, each a transaction: a list of
tasks with a new message, and a run that begins and ends. Floor: the slowest request of as long without a revision.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import psycopg

from assistant.db import migrate
from assistant.db.engine import IDENTIFY, libpq_url
from assistant.db.identity import service
from assistant.db.setup import Server
from assistant.spaces.lists import TASKS
from bench.database import Place, make_places, open_database
from bench.service import percentile, scratch

PEOPLE: Final = 5
SPACES: Final = 200
"""Of each of them."""

PAUSE_SECONDS: Final = 0.1
"""Between two requests of one learner: 50 a second together."""

SECONDS: Final = 5.0
"""So long, at least, is each measurement: a revision may be done in less."""

FILL: Final = (
    "set session_replication_role = replica; set synchronous_commit = off;",
    "insert into tasks (space_id, title, due_date, created_at)"
    " select {space}, 'Task ' || n, now() + n * interval '1 minute', now() - n * interval '1 minute'"
    " from generate_series(1, {rows}) n",
    "insert into chat_messages (space_id, user_id, message, thread_id)"
    " select {space}, {user}, 'What was said ' || n, 'old' from generate_series(1, {rows}) n",
    "insert into assistant.runs"
    " (space_id, user_id, thread_id, client_run_id, status, process, lease_until, finished_at)"
    " select {space}, {user}, 'old', 'run ' || n, 'completed', gen_random_uuid(), now(), now()"
    " from generate_series(1, {rows}) n",
    "vacuum analyze tasks, chat_messages, assistant.runs",
)


def fill(url: str, places: list[Place], rows: int) -> None:
    spaces = ", ".join(f"'{place.space_id}'" for place in places)
    users = ", ".join(f"'{place.owner.user_id}'" for place in places)
    of = f"1 + n % {len(places)}"
    values = {
        "space": f"(array[{spaces}]::uuid[])[{of}]",
        "user": f"(array[{users}]::uuid[])[{of}]",
        "rows": rows,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement.format(**values).encode())


class Learners:
    """Five of them at work, until they are stopped; how long each request took, and what went wrong."""

    def __init__(self, url: str, places: list[Place]) -> None:
        self.times: list[float] = []
        self.errors: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(place,)) for place in places]

    @contextmanager
    def working(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _work(self, place: Place) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            number = 0
            while not self._over.wait(PAUSE_SECONDS):
                number += 1
                began = time.perf_counter()
                try:
                    self._ask(connection, place, number)
                except psycopg.Error as error:
                    self.errors.append(str(error).splitlines()[0])
                self.times.append((time.perf_counter() - began) * 1000)

    def _ask(self, connection: psycopg.Connection[tuple[object, ...]], place: Place, number: int) -> None:
        who = service("run_log") if number % 2 else place.owner
        with connection.transaction():
            connection.execute(IDENTIFY, (who.role, who.claims))
            if number % 2:
                self._run(connection, place)
                return
            statement = TASKS.statement(("space_id",), "created", resumed=False)
            connection.execute(statement.encode(), {"space_id": place.space_id, "limit": 51})
            connection.execute(
                "insert into chat_messages (space_id, user_id, message, thread_id) values (%s, %s, 'New', 'new')",
                (place.space_id, place.owner.user_id),
            )

    def _run(self, connection: psycopg.Connection[tuple[object, ...]], place: Place) -> None:
        run = uuid4()
        connection.execute(
            "insert into assistant.runs (id, space_id, user_id, thread_id, client_run_id, process, lease_until)"
            " values (%s, %s, %s, %s, %s, gen_random_uuid(), now())",
            (run, place.space_id, place.owner.user_id, str(run), str(run)),
        )
        connection.execute("update assistant.runs set status = 'completed', finished_at = now() where id = %s", (run,))


def measure(url: str, places: list[Place], revision: str | None) -> tuple[float, Learners]:
    """Seconds that the revision took, and those who worked meanwhile."""
    learners = Learners(url, places)
    took = 0.0
    with learners.working():
        began = time.perf_counter()
        if revision is not None:
            time.sleep(SECONDS / 5)
            started = time.perf_counter()
            migrate.upgrade(url, revision)
            took = time.perf_counter() - started
        time.sleep(max(0.0, SECONDS - (time.perf_counter() - began)))
    return took, learners


async def run(rows: int, since: str) -> None:
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            places = await make_places(database, PEOPLE, SPACES)
            await database.aclose()
            await asyncio.to_thread(report, server, places, rows, since)


def report(server: Server, places: list[Place], rows: int, since: str) -> None:
    url = libpq_url(server.url)
    migrate.downgrade(url, since)
    fill(url, places, rows)
    at_work = places[::SPACES]
    print(f"{'revision':24}{'seconds':>9}{'requests':>10}{'p50 ms':>9}{'slowest ms':>12}{'refused':>9}")
    order = migrate.revisions()
    for revision in (None, *order[order.index(since) + 1 :]):
        took, learners = measure(url, at_work, revision)
        times = sorted(learners.times)
        print(
            f"{revision or 'none':24}{took:9.2f}{len(times):10}{percentile(times, 0.5):9.1f}{times[-1]:12.1f}"
            f"{len(learners.errors):9}",
            flush=True,
        )
        for error in sorted(set(learners.errors)):
            print(f"    {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in each of three tables")
    parser.add_argument("--from", dest="since", default="20261124_07", help="the revision that they are filled at")
    options = parser.parse_args()
    asyncio.run(run(options.rows, options.since))


if __name__ == "__main__":
    main()
