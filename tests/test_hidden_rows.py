"""What is hidden and what is not there read the same, wherever an id, a name or a text can point at it."""

from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.api import Caller, open_space

REFERENCES = {"goal_id", "module_id", "parent_id", "module_ids", "user_id"}
"""Fields of inputs that point at a row: each has its test below, or, for `user_id`, where invitations are tested."""


async def test_every_input_that_points_at_a_row_is_known_here(anybody: Caller) -> None:
    schemas = (await anybody.get("/schema/openapi.json")).json()["components"]["schemas"]
    inputs = [schema for schema in schemas.values() if schema.get("additionalProperties") is False]
    assert inputs
    named = {name for schema in inputs for name in schema["properties"] if name.endswith(("_id", "_ids"))}
    assert named <= REFERENCES


@pytest.fixture
async def hidden(bob: Caller) -> dict[str, str]:
    """Bob's things, by the fields that may point at them."""
    space = await open_space(bob)
    here = f"/api/spaces/{space['id']}"
    module = await bob.make(f"{here}/modules", {"title": "M", "content_type": "text"})
    comment = await bob.make(f"/api/modules/{module['id']}/comments", {"content": "Hidden"})
    return {"goal_id": space["goal_id"], "module_id": module["id"], "parent_id": comment["id"]}


async def test_an_id_in_a_body_tells_nothing(ada: Caller, hidden: dict[str, str]) -> None:
    space = await open_space(ada)
    here = f"/api/spaces/{space['id']}"
    module = await ada.make(f"{here}/modules", {"title": "M", "content_type": "text"})
    task = await ada.make(f"{here}/tasks", {"title": "T"})
    for method, path, field, body in (
        ("POST", "/api/spaces", "goal_id", {"title": "S"}),
        ("POST", f"{here}/tasks", "module_id", {"title": "T"}),
        ("PATCH", f"/api/tasks/{task['id']}", "module_id", {}),
        ("POST", f"/api/modules/{module['id']}/comments", "parent_id", {"content": "C"}),
        ("POST", f"/api/tasks/{task['id']}/comments", "parent_id", {"content": "C"}),
    ):
        answers = [await ada.call(method, path, {**body, field: id}) for id in (hidden[field], str(uuid4()))]
        assert 400 <= answers[0].status_code < 500, path
        assert (answers[0].status_code, answers[0].content) == (answers[1].status_code, answers[1].content), path
    for ids in ([hidden["module_id"]], [str(uuid4())], [module["id"], hidden["module_id"]], []):
        answer = await ada.call("PUT", f"{here}/modules/order", {"module_ids": ids})
        assert (answer.status_code, answer.json()["code"]) == (409, "modules_changed")


async def test_a_filter_by_a_hidden_id_finds_what_one_by_no_id_does(ada: Caller, hidden: dict[str, str]) -> None:
    space = await open_space(ada)
    await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "T"})
    for path, field in (("/api/spaces", "goal_id"), (f"/api/spaces/{space['id']}/tasks", "module_id")):
        found = [(await ada.get(f"{path}?{field}={id}")).json() for id in (hidden[field], str(uuid4()))]
        assert found[0] == found[1] == {"items": [], "next_cursor": None}


async def test_a_name_that_somebody_else_uses_is_free(ada: Caller, bob: Caller) -> None:
    await bob.make("/api/goals", {"title": "Learn to sail"})
    goal = await ada.make("/api/goals", {"title": "Learn to sail"})
    assert (await ada.call("PATCH", f"/api/goals/{goal['id']}", {"title": "Learn to swim"})).status_code == 200


NUL: Any = ["%00", "a%00b", "%ED%A0%80", "%FF"]


@pytest.mark.parametrize("text", NUL)
async def test_a_text_that_no_column_can_hold_is_no_fault_of_the_service(text: str, ada: Caller) -> None:
    space = await open_space(ada)
    here = f"/api/spaces/{space['id']}"
    for path in (
        f"/api/runs/{text}", f"/api/runs/{text}/events", f"/api/blog/posts/{text}", f"{here}/messages?thread_id={text}",
        f"{here}/search?q={text}", f"{here}/tasks?q={text}", f"{here}/tasks?status={text}",
        f"/api/goals?category={text}",
        f"/api/goals?cursor={text}", f"/api/goals?{text}=1", f"/api/goals/{text}", f"/api/blog/posts?q={text}",
    ):  # fmt: skip
        answer = await ada.get(path)
        assert answer.status_code in (200, 400, 404, 422), (path, answer.text)
    for header in ("If-None-Match", "Idempotency-Key", "Last-Event-ID", "X-Request-ID"):
        answer = await ada.call("POST", "/api/goals", {"title": text}, headers={header: b"\xff\xed\xa0\x80"})
        assert answer.status_code < 500, header
