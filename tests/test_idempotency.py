"""Requests that are sent twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString
from uuid import uuid4

import httpx2
import pytest

from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.idempotency import hash_request
from tests.fixtures.api import Caller, errors_of, open_space
from tests.fixtures.database import join_space

GOAL = {"title": "Learn to sail"}


def key(value: str | None = None) -> dict[str, dict[str, str]]:
    return {"headers": {"Idempotency-Key": value or str(uuid4())}}


async def titles(caller: Caller) -> list[str]:
    return [goal["title"] for goal in (await caller.get("/api/goals")).json()["items"]]


async def test_the_second_gets_the_answer_of_the_first(ada: Caller) -> None:
    once = key()
    first = await ada.call("POST", "/api/goals", GOAL, **once)
    again = await ada.call("POST", "/api/goals", GOAL, **once)
    assert first.status_code == again.status_code == 201
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await titles(ada) == ["Learn to sail"]


async def test_it_is_the_first_answer_also_after_a_change(ada: Caller) -> None:
    once = key()
    first = await ada.call("POST", "/api/goals", GOAL, **once)
    await ada.call("DELETE", f"/api/goals/{first.json()['id']}")
    assert (await ada.call("POST", "/api/goals", GOAL, **once)).content == first.content
    assert await titles(ada) == []


async def test_a_key_is_for_one_body(ada: Caller) -> None:
    once = key()
    await ada.call("POST", "/api/goals", GOAL, **once)
    answer = await ada.call("POST", "/api/goals", {"title": "Learn to swim"}, **once)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert errors_of(answer) == ["Idempotency-Key"]
    assert await titles(ada) == ["Learn to sail"]


async def test_a_key_is_its_users_and_its_paths(ada: Caller, bob: Caller) -> None:
    once = key()
    goal = (await ada.call("POST", "/api/goals", GOAL, **once)).json()
    others = (await bob.call("POST", "/api/goals", GOAL, **once)).json()
    assert others["user_id"] == str(bob.id)
    space = await ada.call("POST", "/api/spaces", {"goal_id": goal["id"], "title": "Sailing"}, **once)
    assert (space.status_code, "idempotency-replayed" in space.headers) == (201, False)


async def test_what_failed_may_be_tried_again(ada: Caller) -> None:
    goal = await ada.make("/api/goals", GOAL)
    once = key()
    assert (await ada.call("POST", "/api/goals", GOAL, **once)).status_code == 409
    assert (await ada.call("POST", "/api/goals", {"title": 5}, **once)).status_code == 422
    await ada.call("DELETE", f"/api/goals/{goal['id']}")
    answer = await ada.call("POST", "/api/goals", GOAL, **once)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_fifty_at_once_make_one_row(ada: Caller) -> None:
    once = key()
    answers = await asyncio.gather(*(ada.call("POST", "/api/goals", GOAL, **once) for _ in range(50)))
    made = {answer.content for answer in answers if answer.status_code == 201}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (len(made), refused <= {"request_running"}) == (1, True)
    assert await titles(ada) == ["Learn to sail"]
    assert (await ada.call("POST", "/api/goals", GOAL, **once)).content in made


@asynccontextmanager
async def stuck_before_its_answer_is_stored(
    server: Server, ada: Caller, once: str
) -> AsyncIterator[tuple[asyncio.Task[httpx2.Response], int]]:
    """A request that has done its work and waits for a row of the same key; and its process in the database."""
    with connect(server.url) as watcher, connect(server.url) as blocker, blocker.transaction(force_rollback=True):
        blocker.execute(
            "insert into assistant.stored_answers (user_id, request, body_hash, status, answer) "
            "values (%s, %s, sha256('x'), 201, 'x')",
            (ada.id, hash_request("POST", "/api/goals", once)),
        )
        request = asyncio.create_task(ada.call("POST", "/api/goals", GOAL, **key(once)))
        waiting: LiteralString = "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
        async with asyncio.timeout(10):
            found: list[Any] = []
            while not found:
                await asyncio.sleep(0.01)
                found = watcher.execute(waiting, (blocker.info.backend_pid,)).fetchall()
        yield request, found[0][0]


async def test_while_the_first_is_under_way_the_second_is_told(ada: Caller, server: Server) -> None:
    once = str(uuid4())
    async with stuck_before_its_answer_is_stored(server, ada, once) as (first, _):
        second = await ada.call("POST", "/api/goals", GOAL, **key(once))
        assert (second.status_code, second.json()["code"]) == (409, "request_running")
        assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 201
    assert (await ada.call("POST", "/api/goals", GOAL, **key(once))).content == (await first).content


async def test_a_crash_between_work_and_answer_leaves_neither(ada: Caller, server: Server) -> None:
    once = str(uuid4())
    async with stuck_before_its_answer_is_stored(server, ada, once) as (first, process):
        with connect(server.url) as connection:
            connection.execute("select pg_terminate_backend(%s)", (process,))
        assert (await first).status_code == 503
    assert await titles(ada) == []
    answer = await ada.call("POST", "/api/goals", GOAL, **key(once))
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_after_a_day_a_key_is_new(ada: Caller, server: Server) -> None:
    once = key()
    first = await ada.call("POST", "/api/goals", GOAL, **once)
    await ada.call("DELETE", f"/api/goals/{first.json()['id']}")
    with connect(server.url) as connection:
        age: LiteralString = "update assistant.stored_answers set created_at = now() - interval '{}' where user_id = %s"
        connection.execute(age.format("23 hours"), (ada.id,))
        assert (await ada.call("POST", "/api/goals", GOAL, **once)).content == first.content
        connection.execute(age.format("25 hours"), (ada.id,))
    again = await ada.call("POST", "/api/goals", GOAL, **once)
    assert (again.status_code, again.json()["id"] == first.json()["id"]) == (201, False)


@pytest.mark.parametrize("value", ["", "a b", "x" * 201, "\u043a\u043b\u044e\u0447"])
async def test_a_key_that_is_none_is_refused(value: str, ada: Caller) -> None:
    answer = await ada.call("POST", "/api/goals", GOAL, headers={"Idempotency-Key": value.encode()})
    assert (answer.status_code, errors_of(answer)) == (422, ["Idempotency-Key"])
    assert await titles(ada) == []


async def test_everything_that_is_made_is_made_once(ada: Caller) -> None:
    space = await open_space(ada)
    here = f"/api/spaces/{space['id']}"
    for path, body in (
        ("/api/spaces", {"goal_id": space["goal_id"], "title": "Rowing"}),
        (f"{here}/modules", {"title": "M", "content_type": "text"}),
        (f"{here}/tasks", {"title": "T"}),
        (f"{here}/documents", {"title": "D", "content": "Text."}),
    ):
        once = key()
        first, again = [await ada.call("POST", path, body, **once) for _ in range(2)]
        assert (first.status_code, again.content) == (201, first.content), path
        assert again.headers["idempotency-replayed"] == "true"
    for kind in ("modules", "tasks", "documents"):
        assert len((await ada.get(f"{here}/{kind}")).json()["items"]) == 1


async def test_a_form_is_the_same_whatever_separates_its_parts(ada: Caller) -> None:
    space = await open_space(ada)
    path, once = f"/api/spaces/{space['id']}/documents", key()

    async def send(text: bytes) -> httpx2.Response:
        return await ada.call("POST", path, files={"file": ("boats.md", text, "text/markdown")}, **once)

    first, again, other = await send(b"# Boats"), await send(b"# Boats"), await send(b"# Ships")
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (first.status_code, again.content) == (201, first.content)
    assert other.status_code == 422


async def test_who_may_no_longer_see_the_space_gets_no_stored_answer(
    ada: Caller, bob: Caller, database: Database
) -> None:
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, "editor")
    path, once = f"/api/spaces/{space['id']}/tasks", key()
    assert (await bob.call("POST", path, {"title": "T"}, **once)).status_code == 201
    await ada.call("PATCH", f"/api/spaces/{space['id']}", {"visibility": "private"})
    assert (await bob.call("POST", path, {"title": "T"}, **once)).status_code == 404
