"""Does a conversation stay as quick to read and to write while the table that holds it grows?

    python -m bench.partitions [--size 1000000]

First with 100,000 messages, then with `--size` of them, spread over two years of months. 20 spaces have 400 messages
at any size. Their history is read as the learner, by the service's own statement, over one connection, a page of 100 at
a time; each page is read three times and its best time counts, since others may be using the machine. Writing: single
messages as learners, a transaction each, waited for, from eight connections. Floor: `select 1` as the same learner, and
an insert into a table without partitions, policies and indexes. At ten million messages it takes some 10 GB.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from assistant.chat.messages import list_messages
from assistant.db.engine import libpq_url
from assistant.db.session import Database
from assistant.db.setup import Server
from bench.database import Place, database_cpu, make_places, open_database
from bench.service import percentile, scratch

BASE: Final = 100_000
PEOPLE: Final = 50
SPACES: Final = 20
"""Of each of them."""

TARGETS: Final = 20
MESSAGES_OF_A_TARGET: Final = 400
MONTHS: Final = 24
BATCH: Final = 500_000
PAGE: Final = 100
TRIES: Final = 3
WRITERS: Final = 8
WRITE_SECONDS: Final = 5.0

PREPARE: Final = """
    select private.prepare_partition(t.name, m.month), private.attach_partition(t.name, m.month)
    from unnest(array['chat_messages']) t(name),
         (select (date_trunc('month', now() at time zone 'UTC') - make_interval(months => n))::date
          from generate_series(1, %s) n) m(month)
    where not private.has_partition(t.name, m.month);
"""

FILL: Final = """
    insert into chat_messages (id, space_id, user_id, is_from_user, message, created_at, thread_id)
    select gen_random_uuid(), p.space_id, p.user_id, n %% 2 = 0, repeat('What was said, word by word. ', 6),
           date_trunc('month', now()) - random() * make_interval(months => %(months)s), 'thread ' || n %% 5
    from generate_series(1, %(count)s) n
    join (select row_number() over () - 1 as number, s, u
          from unnest(%(spaces)s::uuid[], %(users)s::uuid[]) as x(s, u)) as p(number, space_id, user_id)
      on p.number = n %% %(places)s
"""

FLOOR_TABLE: Final = "create table bare (id uuid, message text); grant insert on bare to authenticated"

WRITE: Final = (
    "insert into chat_messages (space_id, user_id, message, thread_id) values (%s, %s, %s, 'new') returning 1"
)
WRITE_BARE: Final = "insert into bare values (%s, %s) returning 1"


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds; messages a second."""

    history: list[float]
    deep: list[float]
    """The last page of a space."""
    cpu: float
    """Processor time of the database for a page."""
    select_one: list[float]
    writes: float
    bare_writes: float


def fill(server: Server, places: list[Place], count: int) -> float:
    """Rows a second, past triggers and foreign keys."""
    owners = [place.owner.user_id for place in places]
    values = {"spaces": [place.space_id for place in places], "users": owners, "places": len(places), "months": MONTHS}
    began = time.perf_counter()
    with _as_owner(server) as connection:
        connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        for start in range(0, count, BATCH):
            connection.execute(FILL, values | {"count": min(BATCH, count - start)})
        seconds = time.perf_counter() - began
        connection.execute("vacuum analyze chat_messages")
        connection.execute("checkpoint")
    return count / seconds


def _as_owner(server: Server) -> psycopg.Connection[tuple[object, ...]]:
    address = libpq_url(server.url)
    return psycopg.connect(address, autocommit=True)


async def measure(server: Server, targets: list[Place]) -> Figures:
    reading = Database(server.logins.login_url, server.logins.jobs_url, pool_size=1)
    async with reading as one, server.open() as many:
        return await _measure(server, one, many, targets)


async def _measure(server: Server, database: Database, many: Database, targets: list[Place]) -> Figures:
    async def first_page(place: Place) -> None:
        rows = await list_messages(database, place.owner, place.space_id, None, None, PAGE + 1)
        assert rows is not None
        assert len(rows) == PAGE + 1

    last = {place.space_id: await _last_page(database, place) for place in targets}

    async def last_page(place: Place) -> None:
        await list_messages(database, place.owner, place.space_id, None, last[place.space_id], PAGE + 1)

    async def select_one(place: Place) -> None:
        await database.fetch(place.owner, "select 1")

    for page in (first_page, last_page):
        await timed(page, targets)  # into memory, and until the plan is that of a service that has run for a while
    before = database_cpu(server)
    history = await timed(first_page, targets)
    cpu = (database_cpu(server) - before) / len(targets) / TRIES * 1000
    return Figures(
        history=history,
        deep=await timed(last_page, targets),
        cpu=cpu,
        select_one=await timed(select_one, targets),
        writes=await written(many, targets, bare=False),
        bare_writes=await written(many, targets, bare=True),
    )


async def _last_page(database: Database, place: Place) -> tuple[datetime, UUID]:
    """After which message the last page begins."""
    rows = await database.fetch(
        place.owner,
        "select created_at, id from chat_messages where space_id = %s and user_id = %s"
        " order by created_at desc, id desc offset %s limit 1",
        (place.space_id, place.owner.user_id, PAGE),
    )
    return rows[0][0], rows[0][1]


async def timed(call: Callable[[Place], Awaitable[None]], places: list[Place]) -> list[float]:
    """The best of three for each, in milliseconds."""
    times = []
    for place in places:
        tries = []
        for _ in range(TRIES):
            began = time.perf_counter()
            await call(place)
            tries.append((time.perf_counter() - began) * 1000)
        times.append(min(tries))
    return times


async def written(database: Database, places: list[Place], *, bare: bool) -> float:
    """Messages a second."""
    until = time.perf_counter() + WRITE_SECONDS
    count = 0

    async def write(number: int) -> None:
        nonlocal count
        while time.perf_counter() < until:
            place = places[(number + count) % len(places)]
            text = "A question of some length about the thing at hand, which somebody typed just now."
            if bare:
                await database.fetch(place.owner, WRITE_BARE, (place.space_id, text))
            else:
                await database.fetch(place.owner, WRITE, (place.space_id, place.owner.user_id, text))
            count += 1

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    return count / WRITE_SECONDS


async def run(size: int) -> None:
    show("messages", "loading", "history", "p95", "last page", "p95", "cpu", "floor", "writes/s", "of the floor")
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            places = await make_places(database, PEOPLE, SPACES)
            targets, others = places[:TARGETS], places[TARGETS:]
            with _as_owner(server) as connection:
                connection.execute(PREPARE, (MONTHS,))
                connection.execute(FLOOR_TABLE)
            await asyncio.to_thread(fill, server, targets, TARGETS * MESSAGES_OF_A_TARGET)
            there, pages = TARGETS * MESSAGES_OF_A_TARGET, []
            for wanted in (BASE, size):
                rate = await asyncio.to_thread(fill, server, others, wanted - there)
                there = wanted
                figures = await measure(server, targets)
                report(wanted, rate, figures)
                pages.append(figures)
            small, large = pages
            for name, ratio in (
                ("history", percentile(large.history, 0.5) / percentile(small.history, 0.5)),
                ("last page", percentile(large.deep, 0.5) / percentile(small.deep, 0.5)),
                ("database's processor time", large.cpu / small.cpu),
            ):
                print(f"{name} at {size:,} to {BASE:,}: {ratio:.2f}")


def report(size: int, rate: float, figures: Figures) -> None:
    show(
        f"{size:,}",
        f"{rate:,.0f}/s",
        f"{percentile(figures.history, 0.5):.2f} ms",
        f"{percentile(figures.history, 0.95):.2f}",
        f"{percentile(figures.deep, 0.5):.2f} ms",
        f"{percentile(figures.deep, 0.95):.2f}",
        f"{figures.cpu:.2f}",
        f"{percentile(figures.select_one, 0.5):.2f}",
        f"{figures.writes:,.0f}",
        f"{figures.writes / figures.bare_writes:.2f}",
    )


def show(*cells: str) -> None:
    print("".join(f"{cell:>13}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000, help="messages, at least 100,001")
    options = parser.parse_args()
    if options.size <= BASE:
        parser.error(f"--size must be more than {BASE}")
    asyncio.run(run(options.size))


if __name__ == "__main__":
    main()
