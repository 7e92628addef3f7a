"""How often somebody may do something: who they are, where they come from, and in how many processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, LiteralString
from uuid import uuid4

import httpx2
import pytest
from litestar.types import Scope
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import InvalidStatus

from assistant.app import create_app
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.errors import ConfigurationError, TooManyRequestsError
from assistant.limits import Allowance, Limits
from assistant.settings import Settings, load_settings
from tests.fixtures.api import Caller, open_space
from tests.fixtures.database import make_settings, make_user
from tests.fixtures.http import LiveService, serve_app

PROXIES = ("127.0.0.1", "10.0.0.0/8", "fd00::/8")


def network(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = PROXIES) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    headers += [(b"forwarded", b"for=192.0.2.99"), (b"x-real-ip", b"192.0.2.99")]
    scope: Any = {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}
    limits = Limits(None, requests_per_minute=0, turns_per_minute=0, trusted_proxies=proxies)  # type: ignore[arg-type]
    found: Scope = scope
    return limits.network_of(found)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("1.2.3.4, 198.51.100.7, 10.1.2.3",), "198.51.100.7"),
        ("127.0.0.1", ("1.2.3.4, 198.51.100.7", "10.1.2.3"), "198.51.100.7"),
        ("127.0.0.1", ("198.51.100.7:4711",), "198.51.100.7"),
        ("127.0.0.1", ("[2001:db8:1:2:3:4:5:6]:4711",), "2001:db8:1:2::/64"),
        ("127.0.0.1", ("10.1.2.3",), "10.1.2.3"),
        ("127.0.0.1", ("198.51.100.7, evil",), "127.0.0.1"),
        ("127.0.0.1", ("",), "127.0.0.1"),
        ("127.0.0.1", (), "127.0.0.1"),
        ("2001:db8:1:2:aaaa::1", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", (), "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", (), "192.0.2.1"),
        ("fe80::1%eth0", (), "fe80::/64"),
        (None, ("198.51.100.7",), "None"),
    ],
)
def test_where_a_request_comes_from(peer: str | None, forwarded: tuple[str, ...], expected: str) -> None:
    assert network(peer, *forwarded) == expected


def test_without_trusted_proxies_nobodys_word_is_taken() -> None:
    assert network("127.0.0.1", "198.51.100.7", proxies=()) == "127.0.0.1"


@pytest.mark.parametrize("value", ["localhost", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.1,,x"])
def test_a_proxy_that_is_no_address_is_a_wrong_setting(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_TRUSTED_PROXIES", value)
    with pytest.raises(ConfigurationError, match="GOALSPACE_TRUSTED_PROXIES"):
        load_settings(_env_file=None)


# --- shared by all processes ------------------------------------------------------------------------------------------


@pytest.fixture
def limits(database: Database) -> Limits:
    return Limits(database, requests_per_minute=0, turns_per_minute=6)


async def taken(limits: Limits, name: str, allowance: Allowance, tries: int) -> int:
    """How many of so many at once got a token."""
    results = await asyncio.gather(*(limits._take((name, allowance)) for _ in range(tries)), return_exceptions=True)
    assert all(result is None or isinstance(result, TooManyRequestsError) for result in results)
    return sum(result is None for result in results)


async def test_a_burst_then_one_per_interval_by_the_clock_of_the_database(limits: Limits, server: Server) -> None:
    name, allowance = str(uuid4()), Allowance(5, 100)
    assert await taken(limits, name, allowance, 12) == 5
    with pytest.raises(TooManyRequestsError) as refused:
        await limits._take((name, allowance))
    assert 90 <= (refused.value.retry_after or 0) <= 100
    with connect(server.url) as connection:
        move: LiteralString = (
            "update assistant.rate_limits set full_at = full_at - make_interval(secs => %s) "
            "where bucket = sha256(convert_to(%s, 'UTF8'))"
        )
        connection.execute(move, (250, name))
        assert await taken(limits, name, allowance, 5) == 2
        connection.execute(move, (100_000, name))
        assert await taken(limits, name, allowance, 12) == 5
        connection.execute(move, (-100_000, name))  # the clock was put back
        with pytest.raises(TooManyRequestsError) as refused:
            await limits._take((name, allowance))
        assert (refused.value.retry_after or 0) <= 100


async def test_no_address_is_stored(limits: Limits, server: Server, database: Database) -> None:
    name = f"attempt at {uuid4()}@example.org"
    await limits._take((name, Allowance(5, 100)))
    with connect(server.url) as connection:
        assert name not in str(connection.execute("select t::text from assistant.rate_limits t").fetchall())


@pytest.fixture
async def two_services(settings: Settings, server: object) -> AsyncIterator[list[LiveService]]:
    """Two processes of the service, as far as the database can tell, behind a proxy."""
    limited = make_settings(settings.data_dir, trusted_proxies="127.0.0.1", requests_per_minute=7, turns_per_minute=3)
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(serve_app(create_app(limited), limited)) for _ in range(2)]
        for live in services:
            live.app.state.services.limits._requests._clock = lambda: 100.0  # however long a request takes
        yield services


def from_address() -> dict[str, str]:
    """Of nobody else in this database."""
    return {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}


async def guess(live: LiveService, email: str, headers: dict[str, str]) -> httpx2.Response:
    async with live.client() as client:
        return await client.post("/auth/token", json={"email": email, "password": "wrong"}, headers=headers)


async def test_who_guesses_at_a_password_is_slowed_down_in_all_processes(two_services: list[LiveService]) -> None:
    email = f"{uuid4().hex}@example.org"
    answers = [await guess(two_services[n % 2], email.upper() if n % 3 else email, from_address()) for n in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30


async def test_who_guesses_at_many_addresses_is_slowed_down_by_network(
    two_services: list[LiveService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.limits.ATTEMPTS_OF_NETWORK", Allowance(20, 300.0))
    prefix = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}"

    async def attempt(n: int, headers: dict[str, str]) -> int:
        return (await guess(two_services[n % 2], f"{uuid4().hex}@example.org", headers)).status_code

    answers = [await attempt(n, {"X-Forwarded-For": f"198.51.100.{n}, {prefix}::{n}"}) for n in range(22)]
    assert answers[:20] == [401] * 20
    assert answers[-1] == 429
    assert await attempt(0, from_address()) == 401


async def test_questions_are_counted_by_person_and_by_space(
    two_services: list[LiveService], database: Database, limits: Limits
) -> None:
    live = two_services[0]
    user_id, email = await make_user(database)
    async with live.client(live.token(user_id, email)) as client:
        ada = Caller(client)
        space = await open_space(ada)
        for n in range(4):
            question = {
                "threadId": f"t{n}",
                "runId": f"r{n}",
                "messages": [{"id": f"m{n}", "role": "user", "content": "?"}],
            }
            answer = await client.post(f"/api/spaces/{space['id']}/agent", json=question)
            assert answer.status_code == (200 if n < 3 else 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    crowd = [uuid4() for _ in range(70)]
    space_id = uuid4()
    results = await asyncio.gather(*(limits.count_turn(one, space_id) for one in crowd), return_exceptions=True)
    assert 60 <= sum(result is None for result in results) < 70


async def test_documents_are_counted_by_person(
    two_services: list[LiveService], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.limits.UPLOADS", Allowance(2, 60))
    live = two_services[0]
    user_id, email = await make_user(database)
    async with live.client(live.token(user_id, email)) as http:
        ada = Caller(http)
        space = await open_space(ada)
        path = f"/api/spaces/{space['id']}/documents"
        answers = [await ada.call("POST", path, {"title": "D", "content": "Text."}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


# --- counted by each process ------------------------------------------------------------------------------------------


async def test_requests_are_counted_by_person_key_and_network(
    two_services: list[LiveService], database: Database
) -> None:
    live = two_services[0]
    user_id, email = await make_user(database)
    async with live.client() as http:
        ada, nobody = Caller(http, live.token(user_id, email)), Caller(http)
        key = replace(ada, token=(await ada.make("/api/keys", {"name": "k"}))["key"])
        assert [(await key.get("/api/me")).status_code for _ in range(7)] == [200] * 6 + [429]
        refused = await ada.get("/api/me")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 9
        here, there = from_address(), from_address()
        anonymous = [(await nobody.get("/api/me", headers=here)).status_code for _ in range(8)]
        assert anonymous == [401] * 7 + [429]
        forged = replace(ada, token="forged")
        assert (await forged.get("/api/me", headers=here)).status_code == 429
        assert (await nobody.get("/api/me", headers=there)).status_code == 401
        assert (await http.get("/health/live")).status_code == 200


async def test_sockets_that_are_opened_are_requests(two_services: list[LiveService], database: Database) -> None:
    user_id, email = await make_user(database)
    live, headers = two_services[1], from_address()
    address = f"ws://{live.host}/api/spaces/{uuid4()}/agent/ws"

    async def status(token: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect_socket(address, subprotocols=[f"bearer.{token}"], additional_headers=headers):  # type: ignore[list-item]
                pass
        return refused.value.response.status_code

    token = live.token(user_id, email)
    assert [await status(token) for _ in range(8)] == [404] * 7 + [429]
    assert [await status("forged") for _ in range(8)] == [401] * 7 + [429]
