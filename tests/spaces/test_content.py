"""Modules, tasks and progress: what editors write, and what is each person's own."""

import asyncio
from typing import Any

import pytest

from assistant.db.session import Database
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space


@pytest.fixture
async def space(ada: Caller) -> dict[str, Any]:
    return await open_space(ada, visibility="shared")


@pytest.fixture
async def module(ada: Caller, space: dict[str, Any]) -> dict[str, Any]:
    return await ada.make(f"/api/spaces/{space['id']}/modules", {"title": "Knots", "content_type": "text"})


async def test_a_module_through_its_life(ada: Caller, space: dict[str, Any]) -> None:
    body = {"title": "Knots", "content_type": "video", "content": "Bowline", "order_index": 2, "estimated_duration": 45}
    module = await ada.make(f"/api/spaces/{space['id']}/modules", body)
    assert {name: module[name] for name in body} == body
    assert (module["space_id"], module["description"]) == (space["id"], None)
    path = f"/api/modules/{module['id']}"
    [listed] = (await ada.get(f"/api/spaces/{space['id']}/modules")).json()["items"]
    assert listed == {name: value for name, value in module.items() if name != "content"}
    changed = (await ada.call("PATCH", path, {"content": None, "content_type": "text"})).json()
    assert (changed["content"], changed["content_type"], changed["estimated_duration"]) == (None, "text", 45)
    assert (await ada.get(path)).json() == changed
    assert (await ada.call("DELETE", path)).status_code == 204
    assert (await ada.get(path)).status_code == 404


async def test_a_module_comes_after_the_others_unless_its_place_is_named(ada: Caller, space: dict[str, Any]) -> None:
    path = f"/api/spaces/{space['id']}/modules"
    await asyncio.gather(*(ada.make(path, {"title": f"M{n}", "content_type": "text"}) for n in range(6)))
    await ada.make(path, {"title": "first", "content_type": "text", "order_index": -1})
    await ada.make(path, {"title": "last", "content_type": "text"})
    listed = (await ada.get(path)).json()["items"]
    assert [module["order_index"] for module in listed] == list(range(-1, 7))
    assert (listed[0]["title"], listed[-1]["title"]) == ("first", "last")


async def test_a_long_module_fits_and_a_longer_one_does_not(ada: Caller, space: dict[str, Any]) -> None:
    path = f"/api/spaces/{space['id']}/modules"
    body = {"title": "Long", "content_type": "text", "content": "ä" * 2_000_000}
    assert len((await ada.make(path, body))["content"]) == 2_000_000
    answer = await ada.call("POST", path, body | {"content": "a" * 2_000_001})
    assert (answer.status_code, errors_of(answer)) == (422, ["content"])
    assert (await ada.call("POST", path, body | {"content": "a" * 10_000_000})).status_code == 413


@pytest.mark.parametrize(
    ("field", "value"),
    [("content_type", "book"), ("content_type", None), ("order_index", 1.5), ("order_index", 2**31), ("title", ""),
     ("estimated_duration", -1), ("space_id", "x"), ("description", "x" * 20_001)],
)  # fmt: skip
async def test_malformed_modules(field: str, value: object, ada: Caller, space: dict[str, Any]) -> None:
    body = {"title": "Knots", "content_type": "text"} | {field: value}
    answer = await ada.call("POST", f"/api/spaces/{space['id']}/modules", body)
    assert (answer.status_code, errors_of(answer)) == (422, [field])


async def test_a_task_through_its_life(ada: Caller, space: dict[str, Any], module: dict[str, Any]) -> None:
    task = await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "Tie a bowline"})
    assert (task["status"], task["priority"], task["module_id"], task["due_date"]) == ("pending", "medium", None, None)
    path = f"/api/tasks/{task['id']}"
    change = {
        "status": "completed",
        "module_id": module["id"],
        "priority": "urgent",
        "due_date": "2026-12-01T10:00:00Z",
    }
    changed = (await ada.call("PATCH", path, change)).json()
    assert {name: changed[name] for name in change} == change
    assert (await ada.get(path)).json() == changed
    await ada.call("DELETE", f"/api/modules/{module['id']}")
    assert (await ada.get(path)).json()["module_id"] is None
    assert (await ada.call("DELETE", path)).status_code == 204


async def test_a_tasks_module_is_of_its_space(ada: Caller, bob: Caller, space: dict[str, Any]) -> None:
    other = await open_space(ada, title="Other")
    elsewhere = await ada.make(f"/api/spaces/{other['id']}/modules", {"title": "M", "content_type": "text"})
    hidden_space = await open_space(bob)
    hidden = await bob.make(f"/api/spaces/{hidden_space['id']}/modules", {"title": "M", "content_type": "text"})
    task = await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "T"})
    for module_id, status in ((elsewhere["id"], 422), (hidden["id"], 404), (space["id"], 404)):
        for method, path in (("POST", f"/api/spaces/{space['id']}/tasks"), ("PATCH", f"/api/tasks/{task['id']}")):
            answer = await ada.call(method, path, {"title": "T", "module_id": module_id})
            assert (answer.status_code, errors_of(answer)) == (status, ["module_id"])
    foreign, missing = [
        await ada.call("PATCH", f"/api/tasks/{task['id']}", {"module_id": module_id})
        for module_id in (hidden["id"], space["id"])
    ]
    assert foreign.content == missing.content


async def test_tasks_are_filtered(ada: Caller, space: dict[str, Any], module: dict[str, Any]) -> None:
    path = f"/api/spaces/{space['id']}/tasks"
    await ada.make(path, {"title": "A", "due_date": "2026-12-01T00:00:00Z"})
    await ada.make(path, {"title": "B", "due_date": "2026-12-03T00:00:00Z", "module_id": module["id"]})
    await ada.make(path, {"title": "C", "status": "completed", "module_id": module["id"]})

    async def titles(query: str) -> list[str]:
        return [task["title"] for task in (await ada.get(f"{path}?{query}")).json()["items"]]

    assert await titles("") == ["A", "B", "C"]
    assert await titles("status=pending") == ["A", "B"]
    assert await titles(f"module_id={module['id']}") == ["B", "C"]
    assert await titles(f"module_id={module['id']}&status=completed") == ["C"]
    assert await titles("due_before=2026-12-02T00:00:00Z") == ["A"]
    assert await titles("due_before=2026-12-03T01:00:00%2B02:00") == ["A"]
    for query in ("due_before=2026-12-02T00:00:00", "due_before=soon", "status=open", "module_id=1"):
        answer = await ada.get(f"{path}?{query}")
        assert (answer.status_code, errors_of(answer)) == (422, [query.split("=")[0]])


async def test_who_writes_content(
    ada: Caller, bob: Caller, space: dict[str, Any], module: dict[str, Any], database: Database, make_caller: MakeCaller
) -> None:
    task = await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "T"})
    writes: list[tuple[str, str, object]] = [
        ("POST", f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"}),
        ("POST", f"/api/spaces/{space['id']}/tasks", {"title": "T"}),
        ("PATCH", f"/api/modules/{module['id']}", {"title": "M"}),
        ("PATCH", f"/api/tasks/{task['id']}", {"title": "T"}),
        ("DELETE", f"/api/tasks/{task['id']}", None),
        ("DELETE", f"/api/modules/{module['id']}", None),
    ]
    viewer, editor = await make_caller(), await make_caller()
    await join_space(database, space["id"], viewer.id, "viewer")
    await join_space(database, space["id"], editor.id, "editor")
    for caller, allowed in ((bob, [404] * 6), (viewer, [403] * 6), (editor, [201, 201, 200, 200, 204, 204])):
        answers = [(await caller.call(method, path, body)).status_code for method, path, body in writes]
        assert answers == allowed


async def test_progress_before_any_is_nothing_yet(ada: Caller, module: dict[str, Any]) -> None:
    progress = (await ada.get(f"/api/modules/{module['id']}/progress")).json()
    assert progress == {
        "module_id": module["id"], "user_id": str(ada.id), "completion_percentage": 0, "id": None,
        "last_interaction_at": None, "completed_at": None, "created_at": None, "updated_at": None,
    }  # fmt: skip


async def test_progress_completes_a_module_and_opens_it_again(ada: Caller, module: dict[str, Any]) -> None:
    path = f"/api/modules/{module['id']}/progress"
    first = (await ada.call("PUT", path, {"completion_percentage": 50})).json()
    assert (first["completion_percentage"], first["completed_at"]) == (50, None)
    assert first["last_interaction_at"] is not None
    done = (await ada.call("PUT", path, {"completion_percentage": 100})).json()
    assert done["id"] == first["id"]
    assert done["completed_at"] == done["last_interaction_at"] > first["last_interaction_at"]
    still = (await ada.call("PUT", path, {"completion_percentage": 100})).json()
    assert still["completed_at"] == done["completed_at"]
    assert (await ada.call("PUT", path, {"completion_percentage": 99})).json()["completed_at"] is None
    assert (await ada.get(path)).json()["completion_percentage"] == 99


@pytest.mark.parametrize("body", [{}, {"completion_percentage": -1}, {"completion_percentage": 101},
                                  {"completion_percentage": "50"}, {"completion_percentage": 50.5},
                                  {"completion_percentage": None}, {"completion_percentage": True}])  # fmt: skip
async def test_malformed_progress(body: dict[str, object], ada: Caller, module: dict[str, Any]) -> None:
    answer = await ada.call("PUT", f"/api/modules/{module['id']}/progress", body)
    assert (answer.status_code, errors_of(answer)) == (422, ["completion_percentage"])


async def test_progress_is_each_persons_own(
    ada: Caller, bob: Caller, anybody: Caller, space: dict[str, Any], module: dict[str, Any], database: Database
) -> None:
    path = f"/api/modules/{module['id']}/progress"
    await ada.call("PUT", path, {"completion_percentage": 80})
    assert (await bob.get(path)).status_code == 404
    assert (await bob.call("PUT", path, {"completion_percentage": 10})).status_code == 404
    await join_space(database, space["id"], bob.id, "viewer")
    assert (await bob.get(path)).json()["completion_percentage"] == 0
    assert (await bob.call("PUT", path, {"completion_percentage": 10})).status_code == 200
    assert (await ada.get(path)).json()["completion_percentage"] == 80
    assert (await anybody.get(path)).status_code == 401


async def test_strangers_follow_public_courses(ada: Caller, bob: Caller) -> None:
    public = await open_space(ada, visibility="public", title="Public")
    module = await ada.make(f"/api/spaces/{public['id']}/modules", {"title": "M", "content_type": "text"})
    answer = await bob.call("PUT", f"/api/modules/{module['id']}/progress", {"completion_percentage": 30})
    assert (answer.status_code, answer.json()["user_id"]) == (200, str(bob.id))
