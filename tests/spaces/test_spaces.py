"""Spaces: who sees them, who changes what, and what their figures say."""

from typing import Any
from uuid import uuid4

import pytest

from assistant.db.session import Database
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space

ROLES = ("viewer", "editor", "admin")


async def joined(
    database: Database, make_caller: MakeCaller, space: dict[str, Any], role: str, *, accepted: bool = True
) -> Caller:
    member = await make_caller()
    await join_space(database, space["id"], member.id, role, accepted=accepted)
    return member


async def test_a_space_through_its_life(ada: Caller) -> None:
    space = await open_space(ada, description="Wind")
    assert space == {
        "id": space["id"], "goal_id": space["goal_id"], "user_id": str(ada.id), "title": "Sailing",
        "description": "Wind", "theme": "default", "color_scheme": "blue", "visibility": "private",
        "ai_mentor_config": {"type": "default", "personality": "helpful", "expertise": []},
        "created_at": space["created_at"], "updated_at": space["updated_at"],
    }  # fmt: skip
    path = f"/api/spaces/{space['id']}"
    assert (await ada.get(path)).json() == space
    answer = await ada.call("PATCH", path, {"title": "Rowing", "description": None, "theme": "dark"})
    changed = answer.json()
    assert (answer.status_code, changed["title"], changed["description"], changed["theme"]) == (
        200,
        "Rowing",
        None,
        "dark",
    )
    assert (await ada.call("DELETE", path)).status_code == 204
    assert (await ada.get(path)).status_code == 404


async def test_a_space_needs_a_goal_of_ones_own(ada: Caller, bob: Caller) -> None:
    goal = await ada.make("/api/goals", {"title": "Goal"})
    foreign = await bob.call("POST", "/api/spaces", {"goal_id": goal["id"], "title": "S"})
    missing = await bob.call("POST", "/api/spaces", {"goal_id": str(uuid4()), "title": "S"})
    assert (foreign.status_code, errors_of(foreign)) == (404, ["goal_id"])
    assert foreign.content == missing.content
    malformed = await bob.call("POST", "/api/spaces", {"goal_id": "1", "title": "S"})
    assert (malformed.status_code, errors_of(malformed)) == (422, ["goal_id"])


async def test_a_title_is_there_once_per_goal(ada: Caller) -> None:
    space = await open_space(ada)
    again = await ada.call("POST", "/api/spaces", {"goal_id": space["goal_id"], "title": "Sailing"})
    assert (again.status_code, again.json()["code"]) == (409, "title_taken")
    other = await ada.make("/api/spaces", {"goal_id": space["goal_id"], "title": "Rowing"})
    renamed = await ada.call("PATCH", f"/api/spaces/{other['id']}", {"title": "Sailing"})
    assert (renamed.status_code, renamed.json()["code"]) == (409, "title_taken")


@pytest.mark.parametrize(
    ("visibility", "stranger", "invitee", "member"),
    [("private", 404, 404, 404), ("shared", 404, 404, 200), ("public", 200, 200, 200)],
)
async def test_who_sees_a_space(
    visibility: str, stranger: int, invitee: int, member: int, ada: Caller, bob: Caller, anybody: Caller,
    database: Database, make_caller: MakeCaller,
) -> None:  # fmt: skip
    space = await open_space(ada, visibility=visibility)
    path = f"/api/spaces/{space['id']}"
    module = await ada.make(f"{path}/modules", {"title": "M", "content_type": "text", "content": "Wind"})
    task = await ada.make(f"{path}/tasks", {"title": "T"})
    pending = await joined(database, make_caller, space, "admin", accepted=False)
    people = [(anybody, stranger), (bob, stranger), (pending, invitee), (ada, 200)]
    people += [(await joined(database, make_caller, space, role), member) for role in ROLES]
    for caller, status in people:
        for read in (
            path,
            f"{path}/modules",
            f"{path}/tasks",
            f"/api/modules/{module['id']}",
            f"/api/tasks/{task['id']}",
        ):
            assert (await caller.get(read)).status_code == status, read


async def test_who_changes_a_space(ada: Caller, bob: Caller, database: Database, make_caller: MakeCaller) -> None:
    space = await open_space(ada, visibility="public")
    path = f"/api/spaces/{space['id']}"
    pending = await joined(database, make_caller, space, "admin", accepted=False)
    viewer, editor, admin = [await joined(database, make_caller, space, role) for role in ROLES]
    for caller, title, visibility, delete in (
        (bob, 403, 403, 403), (pending, 403, 403, 403), (viewer, 403, 403, 403), (editor, 403, 403, 403),
        (admin, 200, 403, 403), (ada, 200, 200, 204),
    ):  # fmt: skip
        assert (await caller.call("PATCH", path, {"title": f"By {caller.id}"})).status_code == title
        assert (await caller.call("PATCH", path, {"visibility": "shared"})).status_code == visibility
        assert (await caller.call("DELETE", path)).status_code == delete


async def test_an_admin_may_send_the_visibility_that_is(
    ada: Caller, database: Database, make_caller: MakeCaller
) -> None:
    space = await open_space(ada, visibility="shared")
    admin = await joined(database, make_caller, space, "admin")
    answer = await admin.call("PATCH", f"/api/spaces/{space['id']}", {"visibility": "shared", "theme": "dark"})
    assert answer.status_code == 200


async def test_set_back_to_private_a_space_is_the_owners_alone(
    ada: Caller, database: Database, make_caller: MakeCaller
) -> None:
    space = await open_space(ada, visibility="shared")
    path = f"/api/spaces/{space['id']}"
    admin = await joined(database, make_caller, space, "admin")
    assert (await admin.get(path)).status_code == 200
    await ada.call("PATCH", path, {"visibility": "private"})
    assert (await admin.get(path)).status_code == 404
    assert (await admin.call("PATCH", path, {"title": "x"})).status_code == 404
    await ada.call("PATCH", path, {"visibility": "shared"})
    assert (await admin.get(path)).status_code == 200


async def test_the_list_holds_what_one_owns_and_has_joined(ada: Caller, bob: Caller, database: Database) -> None:
    own = await open_space(ada)
    shared = await open_space(bob, title="Shared", visibility="shared")
    invited = await open_space(bob, title="Invited", visibility="shared")
    public = await open_space(bob, title="Public", visibility="public")
    await join_space(database, shared["id"], ada.id, "viewer")
    await join_space(database, invited["id"], ada.id, "viewer", accepted=False)

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await ada.get(f"/api/spaces{query}")).json()["items"]]

    assert await ids("") == [shared["id"], own["id"]]
    assert await ids("?relation=owner") == [own["id"]]
    assert public["id"] in await ids("?relation=public")
    assert await ids(f"?goal_id={own['goal_id']}") == [own["id"]]
    assert await ids(f"?goal_id={shared['goal_id']}&relation=owner") == []
    await bob.call("PATCH", f"/api/spaces/{shared['id']}", {"visibility": "private"})
    assert await ids("") == [own["id"]]
    for query in ("relation=friends", "goal_id=1"):
        answer = await ada.get(f"/api/spaces?{query}")
        assert (answer.status_code, errors_of(answer)) == (422, [query.split("=")[0]])


async def test_the_summary_counts_what_is_now(
    ada: Caller, bob: Caller, anybody: Caller, database: Database, make_caller: MakeCaller
) -> None:
    space = await open_space(ada, visibility="public")
    path = f"/api/spaces/{space['id']}"
    viewer = await joined(database, make_caller, space, "viewer")
    empty = (await ada.get(f"{path}/summary")).json()
    assert empty == {
        "space_id": space["id"], "user_id": str(ada.id), "goal_id": space["goal_id"], "title": "Sailing",
        "total_modules": 0, "total_tasks": 0, "completed_tasks": 0, "completed_modules": 0, "overall_progress": 0.0,
    }  # fmt: skip
    modules = [await ada.make(f"{path}/modules", {"title": f"M{n}", "content_type": "text"}) for n in range(3)]
    for status in ("pending", "completed", "completed", "in_progress"):
        await ada.make(f"{path}/tasks", {"title": status, "status": status})
    await ada.call("PUT", f"/api/modules/{modules[0]['id']}/progress", {"completion_percentage": 100})
    await ada.call("PUT", f"/api/modules/{modules[1]['id']}/progress", {"completion_percentage": 99})
    await viewer.call("PUT", f"/api/modules/{modules[2]['id']}/progress", {"completion_percentage": 100})
    for member in (ada, viewer):
        summary = (await member.get(f"{path}/summary")).json()
        figures = ("total_modules", "total_tasks", "completed_tasks", "completed_modules", "overall_progress")
        assert [summary[name] for name in figures] == [3, 4, 2, 1, 33.33]
    pending = await joined(database, make_caller, space, "viewer", accepted=False)
    for stranger in (bob, pending):
        assert (await stranger.get(f"{path}/summary")).status_code == 403
    assert (await anybody.get(f"{path}/summary")).status_code == 401
    await ada.call("PATCH", path, {"visibility": "private"})
    assert (await bob.get(f"{path}/summary")).status_code == 404
