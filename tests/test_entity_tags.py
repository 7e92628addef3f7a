"""Entity tags, at the public door: what is known is not sent, what changed is not overwritten."""

import asyncio
from typing import Any

import pytest

from assistant.db.session import Database
from tests.fixtures.api import Caller, open_space


async def test_what_is_known_is_not_sent_again(ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Learn to sail"})
    path = f"/api/goals/{goal['id']}"
    first = await ada.get(path)
    tag = first.headers["etag"]
    assert (first.status_code, first.json()) == (200, goal)
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}', f'W/"x",{tag}'):
        answer = await ada.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in answer.headers
    for unknown in ('"other"', f'"{tag[1:-1]}x"', ""):
        assert (await ada.get(path, headers={"If-None-Match": unknown})).status_code == 200
    await ada.call("PATCH", path, {"priority": 1})
    changed = await ada.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["priority"]) == (200, 1)


async def test_every_answer_with_one_object_has_the_same_tag(ada: Caller) -> None:
    made = await ada.call("POST", "/api/goals", {"title": "Learn to sail"})
    path = f"/api/goals/{made.json()['id']}"
    assert made.headers["etag"] == (await ada.get(path)).headers["etag"]
    changed = await ada.call("PATCH", path, {"title": "Learn to swim"})
    assert made.headers["etag"] != changed.headers["etag"] == (await ada.get(path)).headers["etag"]
    assert "etag" not in (await ada.get("/api/goals")).headers


async def test_what_changed_meanwhile_is_not_overwritten(ada: Caller) -> None:
    made = await ada.call("POST", "/api/goals", {"title": "Learn to sail"})
    path, tag = f"/api/goals/{made.json()['id']}", made.headers["etag"]
    changed = await ada.call("PATCH", path, {"priority": 1}, headers={"If-Match": f'"other", {tag}'})
    assert changed.status_code == 200
    for stale in (tag, f"W/{changed.headers['etag']}", '"other"'):
        for method, body in (("PATCH", {"priority": 2}), ("DELETE", None)):
            answer = await ada.call(method, path, body, headers={"If-Match": stale})
            assert (answer.status_code, answer.json()["code"]) == (412, "changed")
    assert (await ada.get(path)).json() == changed.json()
    answer = await ada.call("PATCH", path, {"priority": 2}, headers={"If-None-Match": "*"})
    assert answer.status_code == 412
    assert (await ada.call("PATCH", path, {"priority": 2}, headers={"If-Match": "*"})).status_code == 200
    assert (await ada.call("DELETE", path, headers={"If-Match": "*"})).status_code == 204
    assert (await ada.call("DELETE", path, headers={"If-Match": "*"})).status_code == 404


async def test_of_writers_who_saw_the_same_one_wins(ada: Caller) -> None:
    made = await ada.call("POST", "/api/goals", {"title": "Learn to sail"})
    path, headers = f"/api/goals/{made.json()['id']}", {"If-Match": made.headers["etag"]}
    writes = (ada.call("PATCH", path, {"priority": n}, headers=headers) for n in range(1, 11))
    answers = await asyncio.gather(*writes)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await ada.get(path)).json() == winner.json()


@pytest.mark.parametrize("tag", ["abc", '"abc', '"a" "b"', '"a",', 'w/"a"', "*, *", '"a\tb"', '"' + "x" * 2001 + '"'])
async def test_what_is_no_tag_is_refused(tag: str, ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Learn to sail"})
    path = f"/api/goals/{goal['id']}"
    for method, name in (("GET", "If-None-Match"), ("PATCH", "If-Match"), ("DELETE", "If-Match")):
        answer = await ada.call(method, path, {} if method == "PATCH" else None, headers={name: tag})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_entity_tag"), (method, tag)
    assert (await ada.get(path)).json() == goal


async def test_a_hidden_object_has_no_tag_to_compare(ada: Caller, bob: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Mine"})
    path = f"/api/goals/{goal['id']}"
    for method, headers in (
        ("GET", {"If-None-Match": "*"}),
        ("PATCH", {"If-Match": "*"}),
        ("DELETE", {"If-Match": "*"}),
    ):
        answer = await bob.call(method, path, {} if method == "PATCH" else None, headers=headers)
        assert answer.status_code == 404


@pytest.fixture
async def objects(ada: Caller) -> dict[str, list[dict[str, Any]]]:
    """The path of one object of each kind, with two changes of it."""
    space = await open_space(ada)
    here = f"/api/spaces/{space['id']}"
    module = await ada.make(f"{here}/modules", {"title": "M", "content_type": "text"})
    task = await ada.make(f"{here}/tasks", {"title": "T"})
    document = await ada.make(f"{here}/documents", {"title": "D", "content": "Text."})
    title = [{"title": "One"}, {"title": "Two"}]
    return {
        f"/api/goals/{space['goal_id']}": title,
        here: title,
        f"/api/modules/{module['id']}": title,
        f"/api/tasks/{task['id']}": title,
        f"/api/documents/{document['id']}": title,
        "/api/me": [{"full_name": "One"}, {"full_name": "Two"}],
        "/api/me/preferences": [{"theme": "one"}, {"theme": "two"}],
        f"/api/modules/{module['id']}/progress": [{"completion_percentage": 1}, {"completion_percentage": 2}],
    }


async def test_every_kind_of_object_is_held_against_what_was_seen(
    ada: Caller, objects: dict[str, list[dict[str, Any]]]
) -> None:
    for path, (one, two) in objects.items():
        method = "PUT" if path.endswith("progress") else "PATCH"
        seen = {"If-Match": (await ada.get(path)).headers["etag"]}
        first = await ada.call(method, path, one, headers=seen)
        assert first.status_code == 200, path
        stale = await ada.call(method, path, two, headers=seen)
        assert (stale.status_code, stale.json()["code"]) == (412, "changed"), path
        if "documents" not in path:  # which is being indexed, and shows it
            assert (await ada.get(path, headers={"If-None-Match": first.headers["etag"]})).status_code == 304, path
        fresh = await ada.call(method, path, two, headers={"If-Match": first.headers["etag"]})
        assert fresh.status_code == 200, path
        assert fresh.json().items() >= two.items()


async def test_of_several_who_begin_a_module_at_once_one_wins(ada: Caller) -> None:
    space = await open_space(ada)
    module = await ada.make(f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"})
    path = f"/api/modules/{module['id']}/progress"
    nothing = {"If-Match": (await ada.get(path)).headers["etag"]}
    writes = (ada.call("PUT", path, {"completion_percentage": n}, headers=nothing) for n in range(1, 9))
    answers = await asyncio.gather(*writes)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await ada.get(path)).json() == winner.json()
    stale = await ada.call("PUT", path, {"completion_percentage": 0}, headers=nothing)
    assert stale.status_code == 412


async def test_a_document_that_was_indexed_is_not_changed_by_it(ada: Caller, database: Database) -> None:
    """It is sent again, since it shows how far it is; who saw it before may change it."""
    space = await open_space(ada)
    made = await ada.call("POST", f"/api/spaces/{space['id']}/documents", {"title": "D", "content": "Text."})
    path, tag = f"/api/documents/{made.json()['id']}", made.headers["etag"]
    async with database.service("index_document") as connection:
        await connection.exec_driver_sql(
            "update assistant.document_indexing set error = 'to be tried again' where document_id = %s",
            (made.json()["id"],),
        )
    assert (await ada.get(path, headers={"If-None-Match": tag})).status_code == 200
    assert (await ada.call("PATCH", path, {"title": "E"}, headers={"If-Match": tag})).status_code == 200
    assert (await ada.call("DELETE", path, headers={"If-Match": tag})).status_code == 412


async def test_who_may_not_change_it_is_told_that_first(ada: Caller, bob: Caller) -> None:
    space = await open_space(ada, visibility="public")
    for headers in ({"If-Match": "*"}, {"If-Match": '"stale"'}, {}):
        for method, body in (("PATCH", {"title": "x"}), ("PATCH", {}), ("DELETE", None)):
            answer = await bob.call(method, f"/api/spaces/{space['id']}", body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
