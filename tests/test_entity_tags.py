"""Entity tags, at the public door: what is known is not sent, what changed is not overwritten."""

import asyncio

import pytest

from tests.fixtures.api import Caller


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
