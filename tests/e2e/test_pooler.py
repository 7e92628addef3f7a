"""Behind PgBouncer in transaction mode: the next transaction may run on any connection, after anybody's."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from assistant.db.embedded import EmbeddedServer
from assistant.db.filelock import wait_until
from assistant.db.identity import learner
from assistant.db.program import FALLBACK_ACCOUNT, server_account
from assistant.db.session import Database
from assistant.serving import listen
from tests.db.replicas import open_primary
from tests.e2e.conftest import KeywordModel, Learner, Seed, Stream, text_of
from tests.fixtures.database import make_user
from tests.fixtures.processes import Installation, Service
from tests.fixtures.scripted_model import Reply, say

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

pytestmark = pytest.mark.skipif(not Path(PGBOUNCER).exists(), reason="needs pgbouncer")

OWNER = "owner_of_it"


@dataclass(frozen=True, slots=True)
class Pooler:
    """PgBouncer before an embedded database. `narrow` is the same database with one connection for each login."""

    port: int
    passwords: dict[str, str]
    direct_url: str

    def url(self, role: str, database: str = "goalspace") -> str:
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"


@contextmanager
def pooling(cluster: EmbeddedServer, door: Path, passwords: dict[str, str]) -> Iterator[Pooler]:
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))
    with listen("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    (folder / "users").write_text("".join(f'"{role}" "{password}"\n' for role, password in passwords.items()))
    (folder / "pgbouncer.ini").write_text(
        f"""
        [databases]
        goalspace = host={door} port=5432 dbname=goalspace pool_size=3
        narrow = host={door} port=5432 dbname=goalspace pool_size=1
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = plain
        auth_file = {folder}/users
        pool_mode = transaction
        max_client_conn = 200
        logfile = {folder}/log
    """.replace("\n        ", "\n")
    )
    as_root = ["--user", FALLBACK_ACCOUNT] if os.geteuid() == 0 else []
    if as_root:
        account = server_account(Path("/nowhere"))
        for place in (folder, *folder.iterdir()):
            account.give(place)
    process = subprocess.Popen([PGBOUNCER, *as_root, "--quiet", str(folder / "pgbouncer.ini")])
    try:
        pooler = Pooler(port, passwords, cluster.url)
        assert wait_until(lambda: answers(pooler), 20), (folder / "log").read_text()
        yield pooler
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def answers(pooler: Pooler) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(pooler.url(OWNER)):
        return True
    return False


@pytest.fixture(scope="module")
async def installation(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    copied = seed.installation.copy_to(tmp_path_factory.mktemp("pooled"), ANTHROPIC_BASE_URL=model.base_url)
    yield copied
    await copied.close()


@pytest.fixture(scope="module")
def pooler(installation: Installation) -> Iterator[Pooler]:
    with open_primary(installation.data_dir) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute(f"create role {OWNER} login createrole bypassrls password 'secret'")
            door = Path(str(connection.execute("show unix_socket_directories").fetchone()).split(",")[1].strip(" '\")"))
        passwords = {OWNER: "secret", **json.loads((installation.data_dir / "database-logins.json").read_text())}
        with pooling(cluster, door, passwords) as made:
            yield made


@pytest.fixture(scope="module")
async def services(installation: Installation, pooler: Pooler, model: KeywordModel) -> list[Service]:
    """Two of them, with all addresses but one through the pooler."""
    model.on("hello", say("Good ", "day."))
    installation.settings |= {
        "DATABASE_URL": pooler.url(OWNER),
        "GOALSPACE_LOGIN_URL": pooler.url("goalspace_login"),
        "GOALSPACE_JOBS_URL": pooler.url("goalspace_jobs"),
        "GOALSPACE_DIRECT_URL": pooler.direct_url,
    }
    return await asyncio.gather(*(installation.serve(port=0) for _ in range(2)))


OFTEN = 7
"""More often than a statement runs before it is prepared, where it may be."""


async def test_turns_searches_and_the_worker_work(
    installation: Installation, services: list[Service], seed: Seed
) -> None:
    async with services[0].client(seed.token) as http:
        ada = Learner(http, seed.space)
        for n in range(OFTEN):
            assert text_of(await ada.ask("hello", f"t-{n}", run=f"r-{n}")) == "Good day."
        (installation.folder / "splice.md").write_text("# Splices\n\nA long splice joins two ropes.\n")
        await installation.ok("ingest", seed.space, "splice.md")
        answer = await http.get(f"/api/spaces/{seed.space}/search", params={"q": "splice"})
        assert any("long splice" in item["text"] for item in answer.raise_for_status().json()["items"])
        for path in ("/api/me", "/api/me/usage", "/api/goals", f"/api/spaces/{seed.space}/modules", "/health/ready"):
            assert {(await http.get(path)).status_code for _ in range(OFTEN)} == {200}, path


async def test_a_run_is_followed_from_another_process(services: list[Service], model: KeywordModel, seed: Seed) -> None:
    """Notifications take the direct way."""
    steps, go_on = say("One. ", "Two.").steps, asyncio.Event()
    model.on("slowly", Reply([*steps[:3], go_on, *steps[3:]]))
    async with (
        services[0].client(seed.token) as http,
        services[1].client(seed.token) as elsewhere,
        Learner(http, seed.space).begin("slowly", "t-slow", run="r-slow") as turn,
    ):
        await turn.until("TEXT_MESSAGE_CONTENT")
        async with Stream(elsewhere, "GET", "/api/runs/r-slow/events?after=0") as following:
            await following.until("TEXT_MESSAGE_CONTENT")
            go_on.set()
            assert await following.rest() == await turn.rest()


async def test_nobody_is_taken_for_another_on_a_connection_that_all_share(pooler: Pooler) -> None:
    login, jobs = pooler.url("goalspace_login", "narrow"), pooler.url("goalspace_jobs", "narrow")
    random = Random(7)
    async with Database(login, jobs, pool_size=4, prepares=False) as database:
        people = [(await make_user(database))[0] for _ in range(2)]

        async def ask(person: UUID) -> None:
            match random.randrange(4):
                case 0:
                    assert await database.fetch(learner(person), "select id, current_user from users") == [
                        (person, "authenticated")
                    ]
                case 1:
                    async with database.session(learner(person)) as session:
                        assert list(await session.scalars(text("select id from users"))) == [person]
                case 2:
                    with suppress(ZeroDivisionError):
                        async with database.transaction(learner(person)) as connection:
                            rows = await connection.exec_driver_sql("select id from users")
                            assert rows.scalars().all() == [person]
                            raise ZeroDivisionError
                case _:
                    slow = asyncio.create_task(database.fetch(learner(person), "select pg_sleep(0.05)"))
                    await asyncio.sleep(random.random() / 20)
                    slow.cancel()
                    with suppress(asyncio.CancelledError):
                        await slow

        for _ in range(40):
            await asyncio.gather(*(ask(people[n % 2]) for n in range(4)))
    with psycopg.connect(login) as connection:
        row = connection.execute("select current_user, current_setting('request.jwt.claims', true)").fetchone()
    assert row is not None
    assert row[0] == "goalspace_login"
    assert not row[1]
