"""What policies cost: the service's own statements as a learner, beside the same ones with policies switched off.

    python -m bench.rls [--spaces 1000] [--rows 1000] [--runs 100] [--rounds 7]

So many spaces with so many tasks each; the learner owns a hundred of the spaces. Floor: row-level security is off, and
a condition that somebody would write by hand does its work: the row's space is one that the learner owns or has joined.
A search has 1,000 chunks in its space and 100 in each other one. Times are those of one connection with the statement
planned before, in turns; the best round of each counts, since others may be using the machine.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, Final, NamedTuple

import psycopg

from assistant.db.engine import libpq_url
from assistant.db.identity import Principal
from assistant.db.statements import BEGIN
from assistant.goals.lists import GOALS
from assistant.knowledge.lists import DOCUMENTS
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.search import search_statement
from assistant.llm.bundled import MiniLM
from assistant.llm.embeddings import Embedder
from assistant.spaces.lists import ALL_TASKS, MODULES, SPACES, TASKS
from bench.database import Place, make_places, open_database
from bench.loading import load
from bench.service import scratch
from bench.synthetic import TOPICS, World

PEOPLE: Final = 10
LIMIT: Final = 51
CHUNKS: Final = 1000
CHUNKS_ELSEWHERE: Final = 100

TABLES: Final = ("goals", "spaces", "modules", "tasks", "documents", "document_embeddings")

_MINE: Final = (
    "any (array(select s.id from public.spaces s where s.user_id = '{me}' union all select c.space_id"
    " from public.space_collaborators c where c.user_id = '{me}' and c.accepted_at is not null))"
)


class Query(NamedTuple):
    name: str
    sql: str
    values: dict[str, Any]
    by_hand: str
    """What the floor adds to its condition."""


def fill(url: str, rows: int) -> None:
    """Tasks, modules and goals, past the triggers."""
    with psycopg.connect(url, autocommit=True) as connection:
        run = connection.execute
        run("set session_replication_role = replica; set synchronous_commit = off")
        run(
            "insert into tasks (space_id, title, description, status, due_date, created_at)"
            " select s.id, 'Task ' || n, 'To be done', case when n %% 3 = 0 then 'completed' else 'pending' end,"
            " now() + n * interval '1 hour', now() - n * interval '1 minute'"
            " from spaces s cross join generate_series(1, %s) n",
            (rows,),
        )
        run(
            "insert into modules (space_id, title, content_type, order_index)"
            " select s.id, 'Module ' || n, 'text', n from spaces s cross join generate_series(1, 20) n"
        )
        run(
            "insert into goals (user_id, title, created_at) select u.id, 'Goal ' || n, now() - n * interval '1 hour'"
            " from users u cross join generate_series(1, 1000) n"
        )
        run("insert into assistant.document_indexing (document_id, space_id) select id, space_id from documents")
        run("vacuum analyze")


def queries(place: Place, search: tuple[str, dict[str, Any]]) -> list[Query]:
    me = place.owner.user_id
    space = {"space_id": place.space_id, "limit": LIMIT}
    mine = f"space_id = {_MINE.format(me=me)}"
    return [
        Query(
            "goals",
            GOALS.statement(("user_id",), "-created", resumed=False),
            {"user_id": me, "limit": LIMIT},
            f"user_id = '{me}'",
        ),
        Query(
            "spaces",
            SPACES.statement(("member",), "-created", resumed=False),
            {"member": me, "limit": LIMIT},
            f"id = {_MINE.format(me=me)}",
        ),
        Query("modules", MODULES.statement(("space_id",), "place", resumed=False), space, mine),
        Query("tasks", TASKS.statement(("space_id",), "created", resumed=False), space, mine),
        Query(
            "open tasks, by date",
            TASKS.statement(("space_id", "status"), "due", resumed=False),
            {**space, "status": "pending"},
            mine,
        ),
        Query(
            "tasks with a word",
            TASKS.statement(("space_id", "q"), "created", resumed=False),
            {**space, "q": "%99%"},
            mine,
        ),
        Query(
            "what is due, everywhere",
            ALL_TASKS.statement(("member",), "due", resumed=False),
            {"member": me, "limit": LIMIT},
            mine,
        ),
        Query("documents", DOCUMENTS.statement(("space_id",), "created", resumed=False), space, mine),
        Query("search", *search, ""),
    ]


@contextmanager
def without_policies(url: str) -> Iterator[None]:
    """Row-level security is off meanwhile, in this scratch database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"alter table {table} disable row level security".encode())
        yield
        for table in TABLES:
            connection.execute(f"alter table {table} enable row level security".encode())


def timed(url: str, principal: Principal, sql: str, values: dict[str, Any], runs: int) -> tuple[list[float], int]:
    """Milliseconds of each run, and how many rows there are."""
    times = []
    with psycopg.connect(url) as connection:
        connection.execute(BEGIN, (principal.role, principal.claims))
        rows = 0
        for number in range(runs + 10):
            began = time.perf_counter()
            rows = len(connection.execute(sql.encode(), values, prepare=True).fetchall())
            if number >= 10:
                times.append((time.perf_counter() - began) * 1000)
    return times, rows


def plan(url: str, principal: Principal, query: Query) -> str:
    """The indexes that the statement goes by as a learner, and what it should not do."""
    with psycopg.connect(url) as connection:
        connection.execute(BEGIN, (principal.role, principal.claims))
        lines = [row[0] for row in connection.execute(f"explain {query.sql}".encode(), query.values)]
    text = "\n".join(lines)
    scanned = sorted(set(re.findall(r"Seq Scan on (\w+)", text)) & set(TABLES))
    used = sorted(set(re.findall(r"Index (?:Only )?Scan (?:Backward )?using (\w+)|Scan on (idx_\w+)", text)))
    names = sorted({name for pair in used for name in pair if name})
    return ", ".join([*names, *(f"SCANS {table}" for table in scanned)]) or "no index"


def by_hand(query: Query) -> str:
    if not query.by_hand:
        return query.sql
    if " where " in query.sql:
        return query.sql.replace(" where ", f" where {query.by_hand} and ", 1)
    return query.sql.replace(" order by ", f" where {query.by_hand} order by ", 1)


async def run(spaces: int, rows: int, runs: int, rounds: int) -> None:
    bundled = MiniLM()
    world = World(bundled)
    embedder = Embedder(bundled.manifest.model, bundled.manifest.dimensions, frozenset({"en"}), bundled)
    with scratch() as data_dir:
        async with open_database(data_dir) as (server, database):
            places = await make_places(database, PEOPLE, spaces // PEOPLE)
            url = libpq_url(server.url)
            place = places[0]
            shares = {other.space_id: world.chunks(CHUNKS_ELSEWHERE, TOPICS // 10) for other in places[1:]}
            shares[place.space_id] = world.chunks(CHUNKS, TOPICS)
            await asyncio.to_thread(load, server.url, world.lexemes, shares, embedder.model)
            await asyncio.to_thread(fill, url, rows)
            prepared = await Retriever(database, embedder).prepare(world.question())
            search = search_statement(place.space_id, prepared, limit=10)
            await asyncio.to_thread(report, url, place, queries(place, search), runs, rounds)


def report(url: str, place: Place, asked: list[Query], runs: int, rounds: int) -> None:
    print("milliseconds: the median of a round, the best of all rounds")
    print(f"{'':26}{'policies':>10}{'by hand':>10}{'ratio':>8}   goes by")
    for query in asked:
        guarded: list[list[float]] = []
        free: list[list[float]] = []
        for _ in range(rounds):
            times, seen = timed(url, place.owner, query.sql, query.values, runs)
            guarded.append(times)
            with without_policies(url):
                times, found = timed(url, place.owner, by_hand(query), query.values, runs)
            free.append(times)
            assert seen == found > 0, f"{query.name}: {seen} rows with policies, {found} without"
        here, there = (min(map(median, rounds_of)) for rounds_of in (guarded, free))
        print(
            f"{query.name:26}{here:10.2f}{there:10.2f}{here / there:8.2f}   {plan(url, place.owner, query)}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000, help="tasks in each space")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    asyncio.run(run(options.spaces, options.rows, options.runs, options.rounds))


if __name__ == "__main__":
    main()
