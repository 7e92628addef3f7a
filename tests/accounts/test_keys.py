"""Keys of programs: made and shown once, for what they are for, until they are taken away."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import pytest

from assistant.accounts.keys import MAX_KEYS
from assistant.db.setup import Server, connect
from tests.fixtures.api import Caller, errors_of, open_space

NAMED = {"name": "reports"}


async def program(person: Caller, **values: object) -> Caller:
    """A program with a new key of that person."""
    return replace(person, token=(await person.make("/api/keys", NAMED | values))["key"])


async def test_a_key_acts_as_its_user(ada: Caller, bob: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Learn to sail"})
    foreign = await bob.make("/api/goals", {"title": "Learn to swim"})
    key = await program(ada)
    assert (await key.get("/api/me")).json()["id"] == str(ada.id)
    assert [found["id"] for found in (await key.get("/api/goals")).json()["items"]] == [goal["id"]]
    assert (await key.get(f"/api/goals/{foreign['id']}")).status_code == 404
    assert (await key.make("/api/goals", {"title": "Made by a program"}))["user_id"] == str(ada.id)


async def test_a_key_is_shown_once_and_stored_nowhere(ada: Caller, server: Server) -> None:
    made = await ada.make("/api/keys", NAMED)
    assert made["key"].startswith(made["prefix"])
    assert (made["scopes"], made["expires_at"], made["last_used_at"]) == (["chat", "read", "write"], None, None)
    [listed] = (await ada.get("/api/keys")).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    with connect(server.url) as connection:
        dump: LiteralString = (
            "select string_agg(t::text, '') from (select to_jsonb(k) t from assistant.api_keys k "
            "union all select to_jsonb(a) from assistant.stored_answers a) x"
        )
        stored = str(connection.execute(dump).fetchall())
    assert made["prefix"] in stored
    assert made["key"] not in stored
    assert made["key"].encode().hex() not in stored


async def test_a_request_sent_twice_makes_one_key_and_shows_it_once(ada: Caller, server: Server) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await ada.call("POST", "/api/keys", NAMED, headers=headers)
    again = await ada.call("POST", "/api/keys", NAMED, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json() | {"key": None})
    assert len((await ada.get("/api/keys")).json()["items"]) == 1
    with connect(server.url) as connection:
        query: LiteralString = "select convert_from(answer, 'utf8') from assistant.stored_answers where user_id = %s"
        stored = str(connection.execute(query, (ada.id,)).fetchall())
    assert first.json()["prefix"] in stored
    assert first.json()["key"] not in stored


@pytest.mark.parametrize(
    ("scopes", "read", "write"), [(["read"], 200, 403), (["write"], 403, 201), (["chat"], 403, 403),
                                  (["read", "write", "read"], 200, 201)],
)  # fmt: skip
async def test_a_key_is_for_its_scopes(scopes: list[str], read: int, write: int, ada: Caller) -> None:
    key = await program(ada, scopes=scopes)
    answers = [await key.get("/api/goals"), await key.call("POST", "/api/goals", {"title": "New"})]
    assert [answer.status_code for answer in answers] == [read, write]
    for answer in answers:
        assert answer.status_code != 403 or answer.json()["code"] == "scope_missing"


async def test_chatting_is_a_scope_of_its_own(ada: Caller) -> None:
    space = await open_space(ada)
    asked = {"threadId": "t", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "Hello?"}]}
    for scopes, status in ((["read", "write"], 403), (["chat"], 200)):
        key = await program(ada, scopes=scopes)
        assert (await key.call("POST", f"/api/spaces/{space['id']}/agent", asked)).status_code == status
        assert (await key.get("/api/runs/r")).status_code == status


async def test_no_key_makes_lists_or_deletes_keys(ada: Caller) -> None:
    made = await ada.make("/api/keys", NAMED)
    key = replace(ada, token=made["key"])
    for method, path, body in (
        ("GET", "/api/keys", None), ("POST", "/api/keys", NAMED), ("DELETE", f"/api/keys/{made['id']}", None),
    ):  # fmt: skip
        answer = await key.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "key_not_allowed")


async def test_a_deleted_key_is_worth_nothing_at_once(ada: Caller, bob: Caller) -> None:
    made = await ada.make("/api/keys", NAMED)
    key = replace(ada, token=made["key"])
    assert (await bob.call("DELETE", f"/api/keys/{made['id']}")).status_code == 404
    assert (await key.get("/api/me")).status_code == 200
    assert (await ada.call("DELETE", f"/api/keys/{made['id']}")).status_code == 204
    assert (await key.get("/api/me")).status_code == 401
    assert (await ada.call("DELETE", f"/api/keys/{made['id']}")).status_code == 404


async def test_a_key_ends_when_it_says(ada: Caller, server: Server) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    key = await program(ada, expires_at=tomorrow)
    assert (await key.get("/api/me")).status_code == 200
    with connect(server.url) as connection:
        connection.execute("update assistant.api_keys set expires_at = now() where user_id = %s", (ada.id,))
    assert (await key.get("/api/me")).status_code == 401
    assert len((await ada.get("/api/keys")).json()["items"]) == 1


async def test_when_it_was_last_used_is_noted_once_a_minute(ada: Caller, server: Server) -> None:
    key = await program(ada)

    async def last_used() -> Any:
        return (await ada.get("/api/keys")).json()["items"][0]["last_used_at"]

    assert await last_used() is None
    await key.get("/api/me")
    first = await last_used()
    assert first is not None
    await key.get("/api/me")
    assert await last_used() == first
    with connect(server.url) as connection:
        back: LiteralString = "update assistant.api_keys set last_used_at = now() - interval '2 minutes'"
        connection.execute(f"{back} where user_id = %s", (ada.id,))
    await key.get("/api/me")
    assert await last_used() > first


async def test_a_deleted_person_has_no_keys(ada: Caller, server: Server) -> None:
    key = await program(ada)
    with connect(server.url) as connection:
        connection.execute("delete from auth.users where id = %s", (ada.id,))
    assert (await key.get("/api/goals")).status_code == 401


async def test_what_is_no_key_reads_like_any_wrong_token(ada: Caller, anybody: Caller) -> None:
    made = await ada.make("/api/keys", NAMED)
    key = made["key"]
    wrong = replace(ada, token="wrong")
    expected = (await wrong.get("/api/me")).content
    turned = key[:-1] + ("A" if key[-1] != "A" else "B")
    for token in (turned, key[:-1], f"{key}A", made["prefix"], "gsk_", f"gsk_{'A' * 43}", key.upper(), f"x{key}"):
        answer = await replace(anybody, token=token).get("/api/me")
        assert (answer.status_code, answer.content) == (401, expected)
    assert (await anybody.get(f"/api/me?api_key={key}")).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", " "), ("name", "x" * 101), ("name", None), ("scopes", []), ("scopes", ["admin"]),
     ("scopes", ["read"] * 4), ("scopes", "read"), ("expires_at", "2020-01-01T00:00:00Z"), ("expires_at", "soon"),
     ("key", "gsk_mine"), ("user_id", "x"), ("prefix", "gsk_12345678"), ("last_used_at", None)],
)  # fmt: skip
async def test_malformed_keys(field: str, value: object, ada: Caller) -> None:
    answer = await ada.call("POST", "/api/keys", NAMED | {field: value})
    assert (answer.status_code, errors_of(answer)[0].partition("[")[0]) == (422, field)


async def test_a_person_has_so_many_keys_also_when_they_ask_at_once(ada: Caller, server: Server) -> None:
    with connect(server.url) as connection:
        connection.execute(
            "insert into assistant.api_keys (user_id, name, prefix, key_hash, scopes) select %s, 'x', "
            "'gsk_' || left(md5(%s || n::text), 8), sha256('x'), array['read'] from generate_series(1, %s) n",
            (ada.id, str(ada.id), MAX_KEYS - 2),
        )
    answers = await asyncio.gather(*(ada.call("POST", "/api/keys", NAMED) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [409] * 4
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"too_many_keys"}


async def test_lists_are_each_persons_own(ada: Caller, bob: Caller, anybody: Caller) -> None:
    await ada.make("/api/keys", NAMED)
    assert (await bob.get("/api/keys")).json()["items"] == []
    assert (await anybody.get("/api/keys")).status_code == 401
