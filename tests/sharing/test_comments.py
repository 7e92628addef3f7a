"""What is said about modules, documents and tasks."""

from typing import Any
from uuid import uuid4

import pytest

from assistant.db.session import Database
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space

KINDS = ("modules", "documents", "tasks")
BODIES: dict[str, dict[str, str]] = {
    "modules": {"title": "Knots", "content_type": "text"},
    "documents": {"title": "Knots", "content": "Text.", "content_type": "text"},
    "tasks": {"title": "Tie a knot"},
}


async def make_resource(owner: Caller, space: dict[str, Any], kind: str) -> str:
    """The path of its comments."""
    made = await owner.make(f"/api/spaces/{space['id']}/{kind}", BODIES[kind])
    return f"/api/{kind}/{made['id']}/comments"


async def listed(caller: Caller, path: str, **query: object) -> list[dict[str, Any]]:
    answer = await caller.get(path, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation(kind: str, ada: Caller, bob: Caller, database: Database) -> None:
    await bob.call("PATCH", "/api/me", {"full_name": "Bob"})
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, "viewer")
    path = await make_resource(ada, space, kind)
    first = await bob.make(path, {"content": "How?"})
    assert first == {
        "id": first["id"], "user_id": str(bob.id), "resource_type": kind[:-1], "resource_id": path.split("/")[3],
        "content": "How?", "parent_id": None, "space_id": space["id"], "depth": 0, "reply_count": 0,
        "created_at": first["created_at"], "updated_at": first["updated_at"],
        "author": {"full_name": "Bob", "avatar_url": None},
    }  # fmt: skip
    reply = await ada.make(path, {"content": "Like this.", "parent_id": first["id"]})
    second = await ada.make(path, {"content": "Another thing."})
    assert (reply["parent_id"], reply["depth"]) == (first["id"], 1)
    assert [item["id"] for item in await listed(bob, path)] == [first["id"], reply["id"], second["id"]]
    assert [item["id"] for item in await listed(bob, path, top_level=True)] == [first["id"], second["id"]]
    assert [item["id"] for item in await listed(bob, path, parent_id=first["id"])] == [reply["id"]]
    assert (await bob.get(f"/api/comments/{first['id']}")).json()["reply_count"] == 1

    own = f"/api/comments/{first['id']}"
    changed = await bob.call("PATCH", own, {"content": "How, please?"})
    assert (changed.status_code, changed.json()["content"]) == (200, "How, please?")
    assert changed.json()["updated_at"] > first["updated_at"]
    assert (await bob.call("PATCH", own, {})).json()["content"] == "How, please?"
    assert (await bob.call("DELETE", own)).status_code == 204
    assert [item["id"] for item in await listed(ada, path)] == [second["id"]]


async def test_who_may_do_what(
    ada: Caller, bob: Caller, make_caller: MakeCaller, anybody: Caller, database: Database
) -> None:
    """Strangers read in a public space and write nothing; the owner takes back what others said, and edits it not."""
    for visibility in ("shared", "public"):
        space = await open_space(ada, title=visibility, visibility=visibility)
        member = await make_caller()
        await join_space(database, space["id"], member.id, "editor")
        path = await make_resource(ada, space, "modules")
        comment = f"/api/comments/{(await member.make(path, {'content': 'Hello'}))['id']}"
        seen = visibility == "public"
        for caller in (bob, anybody):
            assert (await caller.get(path)).status_code == (200 if seen else 404)
            assert (await caller.get(comment)).status_code == (200 if seen else 404)
        for method, where, body in (
            ("POST", path, {"content": "Spam"}),
            ("PATCH", comment, {"content": "x"}),
            ("DELETE", comment, None),
        ):
            assert (await bob.call(method, where, body)).status_code == (403 if seen else 404)
            assert (await anybody.call(method, where, body)).status_code == 401
        if seen:
            assert [item["author"] for item in await listed(bob, path)] == [None]
            assert [item["author"] for item in await listed(anybody, path)] == [None]
        assert (await ada.call("PATCH", comment, {"content": "x"})).status_code == 403
        assert (await ada.call("DELETE", comment)).status_code == 204


async def test_who_has_left_may_not_change_what_they_said(ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="public")
    await join_space(database, space["id"], bob.id, "editor")
    path = await make_resource(ada, space, "tasks")
    comment = f"/api/comments/{(await bob.make(path, {'content': 'Hello'}))['id']}"
    await bob.call("DELETE", f"/api/spaces/{space['id']}/collaborators/me")
    assert (await bob.call("PATCH", comment, {"content": "x"})).status_code == 403
    assert [item["author"] for item in await listed(ada, path)] == [None]


async def test_replies_stay_with_what_they_answer(ada: Caller, bob: Caller) -> None:
    space = await open_space(ada)
    here, there = await make_resource(ada, space, "modules"), await make_resource(ada, space, "tasks")
    comment = await ada.make(here, {"content": "Here"})
    other = await open_space(bob)
    foreign = await bob.make(await make_resource(bob, other, "modules"), {"content": "Bob's"})
    same_id = here.replace("modules", "tasks")
    for path, parent in ((there, comment["id"]), (here, foreign["id"]), (here, str(uuid4()))):
        answer = await ada.call("POST", path, {"content": "Reply", "parent_id": parent})
        assert (answer.status_code, errors_of(answer)) == (422, ["parent_id"])
    assert (await ada.call("POST", same_id, {"content": "Reply"})).status_code == 404
    moved = await ada.call("PATCH", f"/api/comments/{comment['id']}", {"content": "x", "parent_id": comment["id"]})
    assert (moved.status_code, errors_of(moved)) == (422, ["parent_id"])


async def test_a_thread_has_a_bottom(ada: Caller) -> None:
    path = await make_resource(ada, await open_space(ada), "documents")
    parent = None
    for depth in range(9):
        made = await ada.make(path, {"content": "Deeper", "parent_id": parent})
        assert made["depth"] == depth
        parent = made["id"]
    answer = await ada.call("POST", path, {"content": "Too deep", "parent_id": parent})
    assert (answer.status_code, answer.json()["code"], errors_of(answer)) == (422, "too_deep", ["parent_id"])


@pytest.mark.parametrize("content", ["", "  \n", "x" * 10_001, None, 5, "\0", ["x"]])
async def test_malformed_comments(content: object, ada: Caller) -> None:
    path = await make_resource(ada, await open_space(ada), "tasks")
    answer = await ada.call("POST", path, {"content": content})
    assert (answer.status_code, errors_of(answer)) == (422, ["content"])


@pytest.mark.parametrize("kind", KINDS)
async def test_comments_go_with_what_they_are_about(kind: str, ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, "viewer")
    path = await make_resource(ada, space, kind)
    comment = await bob.make(path, {"content": "Hello"})
    assert (await ada.call("DELETE", path.removesuffix("/comments"))).status_code == 204
    assert (await bob.get(f"/api/comments/{comment['id']}")).status_code == 404
    assert (await bob.get(path)).status_code == 404


async def test_pages_hold_while_others_write(ada: Caller) -> None:
    path = await make_resource(ada, await open_space(ada), "tasks")
    made = [(await ada.make(path, {"content": str(n)}))["id"] for n in range(4)]
    first = (await ada.get(path, params={"limit": 2})).json()
    made.append((await ada.make(path, {"content": "Late"}))["id"])
    rest = (await ada.get(path, params={"limit": 10, "cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made
    wrong = await ada.get(path, params={"cursor": first["next_cursor"], "top_level": True})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_cursor")


async def test_of_two_who_change_a_comment_one_is_told(ada: Caller) -> None:
    path = await make_resource(ada, await open_space(ada), "tasks")
    comment = await ada.make(path, {"content": "One"})
    own = f"/api/comments/{comment['id']}"
    tag = (await ada.get(own)).headers["etag"]
    await ada.make(path, {"content": "A reply changes nothing", "parent_id": comment["id"]})
    assert (await ada.call("PATCH", own, {"content": "Two"}, headers={"If-Match": tag})).status_code == 200
    assert (await ada.call("PATCH", own, {"content": "Three"}, headers={"If-Match": tag})).status_code == 412
