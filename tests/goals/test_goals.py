"""Goals: one's own, by their titles."""

import asyncio

import pytest

from tests.fixtures.api import Caller, errors_of, open_space


async def test_a_goal_through_its_life(ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Learn to sail", "due_date": "2027-06-01T12:00:00+02:00"})
    assert goal == {
        "id": goal["id"], "user_id": str(ada.id), "title": "Learn to sail", "description": None, "category": None,
        "status": "active", "priority": 0, "due_date": "2027-06-01T10:00:00Z", "created_at": goal["created_at"],
        "updated_at": goal["updated_at"],
    }  # fmt: skip
    path = f"/api/goals/{goal['id']}"
    assert (await ada.get(path)).json() == goal
    answer = await ada.call(
        "PATCH", path, {"status": "completed", "due_date": None, "priority": -3, "category": "Sport"}
    )
    changed = answer.json()
    assert answer.status_code == 200
    assert (changed["status"], changed["due_date"], changed["priority"]) == ("completed", None, -3)
    assert changed["title"] == "Learn to sail"
    assert changed["updated_at"] > goal["updated_at"]
    assert (await ada.call("PATCH", path, {})).json() == changed
    answer = await ada.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        assert (await ada.call(method, path, {} if method == "PATCH" else None)).status_code == 404


async def test_nobody_sees_or_changes_anothers(ada: Caller, bob: Caller, anybody: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Mine"})
    path = f"/api/goals/{goal['id']}"
    for method, body in (("GET", None), ("PATCH", {"title": "Stolen"}), ("DELETE", None)):
        assert (await bob.call(method, path, body)).status_code == 404
        assert (await anybody.call(method, path, body)).status_code == 401
    assert (await bob.get("/api/goals")).json()["items"] == []
    assert (await ada.get(path)).json() == goal


async def test_a_title_is_there_once_per_person(ada: Caller, bob: Caller) -> None:
    await ada.make("/api/goals", {"title": "Learn to sail"})
    other = await ada.make("/api/goals", {"title": "Learn to swim"})
    again = await ada.call("POST", "/api/goals", {"title": "Learn to sail"})
    renamed = await ada.call("PATCH", f"/api/goals/{other['id']}", {"title": "Learn to sail"})
    for answer in (again, renamed):
        assert (answer.status_code, answer.json()["code"]) == (409, "title_taken")
    await bob.make("/api/goals", {"title": "Learn to sail"})


async def test_one_of_many_at_once_wins(ada: Caller) -> None:
    answers = await asyncio.gather(*(ada.call("POST", "/api/goals", {"title": "Once"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_lists_are_filtered(ada: Caller) -> None:
    for n, status in enumerate(("active", "archived", "active")):
        await ada.make("/api/goals", {"title": f"Goal {n}", "status": status})
    assert [goal["title"] for goal in (await ada.get("/api/goals?status=active")).json()["items"]] == [
        "Goal 2",
        "Goal 0",
    ]
    assert len((await ada.get("/api/goals")).json()["items"]) == 3


@pytest.mark.parametrize("field", ["title", "status", "priority"])
async def test_what_must_be_there_can_not_be_taken_away(field: str, ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Goal"})
    answer = await ada.call("PATCH", f"/api/goals/{goal['id']}", {field: None})
    assert (answer.status_code, errors_of(answer)) == (422, [field])


@pytest.mark.parametrize(
    "text", ["'; drop table goals; --", "%s %(x)s {0} {{x}}", "\\", "😀 ÄÖ \u202e\u200b", "a\nb\tc", "null"]
)
async def test_any_text_comes_back_as_it_was(text: str, ada: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": text, "description": text * 50})
    found = (await ada.get(f"/api/goals/{goal['id']}")).json()
    assert (found["title"], found["description"]) == (text, text * 50)


async def test_with_a_goal_goes_what_serves_it(ada: Caller) -> None:
    space = await open_space(ada)
    assert (await ada.call("DELETE", f"/api/goals/{space['goal_id']}")).status_code == 204
    assert (await ada.get(f"/api/spaces/{space['id']}")).status_code == 404
