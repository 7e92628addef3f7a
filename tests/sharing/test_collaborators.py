"""Who works in a space: invited, joined, promoted, removed."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from assistant.db.session import Database
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space


async def invite(owner: Caller, space: dict[str, Any], **whom: object) -> dict[str, Any]:
    return await owner.make(f"/api/spaces/{space['id']}/collaborators", whom)


def token_of(invited: dict[str, Any]) -> str:
    return str(invited["link"]).partition("#invitation=")[2]


async def collaborators(caller: Caller, space: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await caller.get(f"/api/spaces/{space['id']}/collaborators")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_somebody_with_an_account_is_invited_and_joins(ada: Caller, bob: Caller) -> None:
    await ada.call("PATCH", "/api/me", {"full_name": "Ada"})
    await bob.call("PATCH", "/api/me", {"full_name": "Bob", "avatar_url": "https://x.org/b.png"})
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}"
    invited = await invite(ada, space, email=bob.email.upper(), role="editor")
    assert (invited["email"], invited["user_id"], invited["role"]) == (bob.email, None, "editor")
    assert (invited["made_shared"], invited["visibility"], invited["accepted_at"]) == (True, "shared", None)
    assert (await ada.get(path)).json()["visibility"] == "shared"

    assert (await bob.get(path)).status_code == 404
    [waiting] = (await bob.get("/api/invitations")).json()["items"]
    assert waiting == {
        "id": invited["id"], "space_id": space["id"], "title": "Sailing", "role": "editor", "invited_by": "Ada",
        "invited_at": invited["invited_at"], "expires_at": invited["expires_at"],
    }  # fmt: skip
    answer = await bob.call("POST", f"/api/invitations/{invited['id']}/accept")
    assert (answer.status_code, answer.json()) == (200, {"space_id": space["id"]})
    assert (await bob.get(path)).status_code == 200
    assert (await bob.get("/api/invitations")).json()["items"] == []

    [joined] = await collaborators(bob, space)
    assert (joined["user_id"], joined["role"], joined["email"]) == (str(bob.id), "editor", None)
    assert (joined["full_name"], joined["avatar_url"]) == ("Bob", "https://x.org/b.png")
    assert joined["accepted_at"] is not None
    members = (await bob.get(f"{path}/members")).json()["items"]
    assert {(each["user_id"], each["role"], each["full_name"]) for each in members} == {
        (str(ada.id), "owner", "Ada"), (str(bob.id), "editor", "Bob"),
    }  # fmt: skip


async def test_an_address_without_an_account_is_answered_in_the_same_way(
    ada: Caller, bob: Caller, make_caller: MakeCaller
) -> None:
    """What the one who invites sees does not say whether somebody has the address."""
    space = await open_space(ada, visibility="shared")
    known = await invite(ada, space, email=bob.email)
    unknown = await invite(ada, space, email=f"{uuid4().hex}@example.org")
    for answer in (known, unknown):
        for own in ("id", "email", "invited_at", "created_at", "updated_at", "expires_at", "link"):
            assert answer.pop(own) is not None
    assert known == unknown
    listed = await collaborators(ada, space)
    for item in listed:
        for own in ("id", "email", "invited_at", "created_at", "updated_at", "expires_at"):
            assert item.pop(own) is not None
    assert listed[0] == listed[1]


async def test_a_link_works_for_who_signs_up_later_and_only_once(
    ada: Caller, bob: Caller, make_caller: MakeCaller, anybody: Caller
) -> None:
    space = await open_space(ada)
    invited = await invite(ada, space, email=f"{uuid4().hex}@example.org", role="viewer")
    token = token_of(invited)
    assert (await anybody.call("POST", "/api/invitations/accept", {"token": token})).status_code == 401
    newcomer = await make_caller()
    assert (await newcomer.get("/api/invitations")).json()["items"] == []
    assert (await newcomer.call("POST", f"/api/invitations/{invited['id']}/accept")).status_code == 404
    answer = await newcomer.call("POST", "/api/invitations/accept", {"token": token})
    assert (answer.status_code, answer.json()) == (200, {"space_id": space["id"]})
    again = await bob.call("POST", "/api/invitations/accept", {"token": token})
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert (await newcomer.get(f"/api/spaces/{space['id']}")).status_code == 200
    assert (await bob.get(f"/api/spaces/{space['id']}")).status_code == 404


@pytest.mark.parametrize("token", ["x", "AAAA", "ä", "A" * 64, "A" * 200, "=" * 64])
async def test_a_token_that_is_none_is_no_invitation(token: str, bob: Caller) -> None:
    assert (await bob.call("POST", "/api/invitations/accept", {"token": token})).status_code == 404


async def test_a_link_that_was_withdrawn_replaced_or_is_too_old_is_worth_nothing(
    ada: Caller, bob: Caller, database: Database
) -> None:
    space = await open_space(ada)
    address = f"{uuid4().hex}@example.org"
    first = await invite(ada, space, email=address, role="admin")
    second = await invite(ada, space, email=address, role="viewer")
    assert [item["id"] for item in await collaborators(ada, space)] == [second["id"]]
    third = await invite(ada, space, email=f"{uuid4().hex}@example.org")
    path = f"/api/spaces/{space['id']}/collaborators"
    assert (await ada.call("DELETE", f"{path}/{second['id']}")).status_code == 204
    async with database.service("maintain") as connection:
        expire = text("update assistant.invitations set expires_at = now() where id = :id")
        await connection.execute(expire, {"id": third["id"]})
    for invited in (first, second, third):
        answer = await bob.call("POST", "/api/invitations/accept", {"token": token_of(invited)})
        assert answer.status_code == 404


async def test_what_an_admin_offered_goes_with_their_right(ada: Caller, make_caller: MakeCaller) -> None:
    space = await open_space(ada, visibility="shared")
    admin, friend = await make_caller(), await make_caller()
    invited = await invite(ada, space, user_id=str(admin.id), role="admin")
    await admin.call("POST", f"/api/invitations/{invited['id']}/accept")
    offered = await invite(admin, space, email=friend.email, role="editor")
    assert (await ada.call("DELETE", f"/api/spaces/{space['id']}/collaborators/{invited['id']}")).status_code == 204
    answer = await friend.call("POST", "/api/invitations/accept", {"token": token_of(offered)})
    assert answer.status_code == 404
    assert await collaborators(ada, space) == []


async def test_somebody_invited_by_id_declines(ada: Caller, bob: Caller) -> None:
    space = await open_space(ada)
    invited = await invite(ada, space, user_id=str(bob.id), role="admin")
    assert (invited["user_id"], invited["email"], invited["link"]) == (str(bob.id), None, None)
    assert (await bob.call("POST", f"/api/invitations/{invited['id']}/decline")).status_code == 204
    assert (await bob.call("POST", f"/api/invitations/{invited['id']}/decline")).status_code == 404
    assert await collaborators(ada, space) == []


async def test_an_invitation_to_an_address_can_be_declined(ada: Caller, bob: Caller, make_caller: MakeCaller) -> None:
    space = await open_space(ada)
    invited = await invite(ada, space, email=bob.email)
    eve = await make_caller()
    assert (await eve.call("POST", f"/api/invitations/{invited['id']}/decline")).status_code == 404
    assert (await bob.call("POST", f"/api/invitations/{invited['id']}/decline")).status_code == 204
    assert await collaborators(ada, space) == []


async def test_what_cannot_be_invited(ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="shared")
    path = f"/api/spaces/{space['id']}/collaborators"
    for body, field in (
        ({"email": ada.email.upper()}, "email"),
        ({"user_id": str(ada.id)}, "user_id"),
        ({}, "email"),
        ({"email": bob.email, "user_id": str(bob.id)}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": bob.email, "role": "owner"}, "role"),
        ({"email": bob.email, "accepted_at": "2026-01-01T00:00:00Z"}, "accepted_at"),
    ):
        answer = await ada.call("POST", path, body)
        assert (answer.status_code, errors_of(answer)) == (422, [field]), body
    nobody = await ada.call("POST", path, {"user_id": str(uuid4())})
    assert (nobody.status_code, nobody.json()["code"]) == (409, "unknown_reference")
    await join_space(database, space["id"], bob.id, "admin")
    for body in ({"user_id": str(bob.id)}, {"user_id": str(ada.id)}):
        caller = bob if body["user_id"] == str(ada.id) else ada
        answer = await caller.call("POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_invited")


@pytest.mark.parametrize(("before", "offered"), [("editor", "viewer"), ("viewer", "editor"), ("editor", "editor")])
async def test_an_invitation_gives_a_member_more_and_never_less(
    before: str, offered: str, ada: Caller, bob: Caller, database: Database
) -> None:
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, before)
    invited = await invite(ada, space, email=bob.email, role=offered)
    await bob.call("POST", f"/api/invitations/{invited['id']}/accept")
    [found] = await collaborators(ada, space)
    assert (found["user_id"], found["role"]) == (str(bob.id), "editor")


@pytest.mark.parametrize(
    ("role", "may_invite", "appoints"),
    [("owner", True, True), ("admin", True, False), ("editor", False, False), ("viewer", False, False)],
)
async def test_who_invites_whom(
    role: str, may_invite: bool, appoints: bool, ada: Caller, make_caller: MakeCaller, database: Database
) -> None:
    space = await open_space(ada, visibility="shared")
    caller = ada
    if role != "owner":
        caller = await make_caller()
        await join_space(database, space["id"], caller.id, role)
    path = f"/api/spaces/{space['id']}/collaborators"
    for wanted, allowed in (("viewer", may_invite), ("editor", may_invite), ("admin", appoints)):
        other = await make_caller()
        for body in ({"user_id": str(other.id)}, {"email": f"{uuid4().hex}@example.org"}):
            answer = await caller.call("POST", path, {**body, "role": wanted})
            assert answer.status_code == (201 if allowed else 403), (body, wanted, answer.text)
    shown = {item["email"] for item in await collaborators(caller, space)} - {None}
    assert bool(shown) is may_invite


async def test_roles_change_and_only_the_owner_makes_admins(
    ada: Caller, make_caller: MakeCaller, database: Database
) -> None:
    space = await open_space(ada, visibility="shared")
    admin, other_admin, viewer = await make_caller(), await make_caller(), await make_caller()
    for caller, role in ((admin, "admin"), (other_admin, "admin"), (viewer, "viewer")):
        await join_space(database, space["id"], caller.id, role)
    ids = {item["user_id"]: item["id"] for item in await collaborators(ada, space)}
    path = f"/api/spaces/{space['id']}/collaborators"

    async def change(caller: Caller, whom: Caller, role: str) -> int:
        answer = await caller.call("PATCH", f"{path}/{ids[str(whom.id)]}", {"role": role})
        if answer.status_code == 200:
            assert answer.json()["role"] == role
        return answer.status_code

    assert await change(admin, viewer, "editor") == 200
    assert await change(admin, viewer, "admin") == 403
    assert await change(admin, other_admin, "viewer") == 403
    assert await change(viewer, viewer, "admin") == 403
    assert await change(ada, viewer, "admin") == 200
    assert await change(ada, other_admin, "viewer") == 200
    assert (await admin.call("DELETE", f"{path}/{ids[str(viewer.id)]}")).status_code == 403
    assert (await admin.call("DELETE", f"{path}/{ids[str(other_admin.id)]}")).status_code == 204
    assert (await other_admin.get(f"/api/spaces/{space['id']}")).status_code == 404

    offered = await invite(ada, space, email=f"{uuid4().hex}@example.org", role="viewer")
    assert (await admin.call("PATCH", f"{path}/{offered['id']}", {"role": "admin"})).status_code == 403
    changed = await admin.call("PATCH", f"{path}/{offered['id']}", {"role": "editor"})
    assert (changed.status_code, changed.json()["role"]) == (200, "editor")


async def test_a_change_of_what_was_changed_meanwhile_is_refused(ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, "viewer")
    [member] = await collaborators(ada, space)
    path = f"/api/spaces/{space['id']}/collaborators/{member['id']}"
    seen = (await ada.get(path)).headers["etag"]
    assert (await ada.call("PATCH", path, {"role": "editor"}, headers={"If-Match": seen})).status_code == 200
    for method, body in (("PATCH", {"role": "admin"}), ("DELETE", None)):
        assert (await ada.call(method, path, body, headers={"If-Match": seen})).status_code == 412
    assert (await ada.get(path)).json()["role"] == "editor"


async def test_the_same_request_invites_once_and_does_not_show_the_link_again(ada: Caller) -> None:
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}/collaborators"
    body = {"email": f"{uuid4().hex}@example.org"}
    first = await ada.call("POST", path, body, headers={"Idempotency-Key": "one"})
    again = await ada.call("POST", path, body, headers={"Idempotency-Key": "one"})
    assert again.json() == {**first.json(), "link": None}
    assert len(await collaborators(ada, space)) == 1


async def test_members_leave_and_owners_cannot(ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="shared")
    await join_space(database, space["id"], bob.id, "viewer")
    leave = f"/api/spaces/{space['id']}/collaborators/me"
    assert (await ada.call("DELETE", leave)).status_code == 404
    assert (await bob.call("DELETE", leave)).status_code == 204
    assert (await bob.call("DELETE", leave)).status_code == 404
    assert (await bob.get(f"/api/spaces/{space['id']}")).status_code == 404


async def test_strangers_learn_nothing_of_members(
    ada: Caller, bob: Caller, make_caller: MakeCaller, anybody: Caller, database: Database
) -> None:
    hidden, public = (
        await open_space(ada, visibility="shared"),
        await open_space(ada, title="Public", visibility="public"),
    )
    member = await make_caller()
    for space in (hidden, public):
        await join_space(database, space["id"], member.id, "viewer")
        [item] = await collaborators(member, space)
        for kind in ("members", "collaborators", f"collaborators/{item['id']}"):
            path = f"/api/spaces/{space['id']}/{kind}"
            refused = 404 if space is hidden or kind.endswith(item["id"]) else 403
            assert (await bob.get(path)).status_code == refused
            assert (await anybody.get(path)).status_code == 401
        for method, body in (("PATCH", {"role": "admin"}), ("DELETE", None)):
            answer = await bob.call(method, f"/api/spaces/{space['id']}/collaborators/{item['id']}", body)
            assert answer.status_code == 404
        elsewhere = f"/api/spaces/{(public if space is hidden else hidden)['id']}/collaborators/{item['id']}"
        assert (await ada.call("DELETE", elsewhere)).status_code == 404


async def test_who_accepts_while_the_invitation_is_withdrawn_is_a_member_or_nothing(ada: Caller, bob: Caller) -> None:
    """After a withdrawal was confirmed nobody has access, whichever came first."""
    space = await open_space(ada, visibility="shared")
    for whom in ({"user_id": str(bob.id)}, {"email": bob.email}):
        for _ in range(6):
            invited = await invite(ada, space, **whom)
            path = f"/api/spaces/{space['id']}/collaborators/{invited['id']}"
            accepted, withdrawn = await asyncio.gather(
                bob.call("POST", f"/api/invitations/{invited['id']}/accept"), ada.call("DELETE", path)
            )
            assert (accepted.status_code, withdrawn.status_code) in ((200, 204), (404, 204), (200, 404))
            sees = (await bob.get(f"/api/spaces/{space['id']}")).status_code
            if withdrawn.status_code == 404:  # by address: it was taken up and is no invitation any more
                assert sees == 200
                await bob.call("DELETE", f"/api/spaces/{space['id']}/collaborators/me")
            else:
                assert sees == 404


async def test_two_who_use_one_link_at_once(ada: Caller, make_caller: MakeCaller) -> None:
    space = await open_space(ada)
    invited = await invite(ada, space, email=f"{uuid4().hex}@example.org")
    callers = [await make_caller() for _ in range(4)]
    body = {"token": token_of(invited)}
    answers = await asyncio.gather(*(caller.call("POST", "/api/invitations/accept", body) for caller in callers))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert len(await collaborators(ada, space)) == 1


async def test_invitations_have_a_limit(ada: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are mail to people who did not ask for it."""
    monkeypatch.setattr("assistant.sharing.inviting.MAX_OPEN", 2)
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}/collaborators"
    await invite(ada, space, user_id=str(bob.id))
    await invite(ada, space, email=f"{uuid4().hex}@example.org")
    full = await ada.call("POST", path, {"email": f"{uuid4().hex}@example.org"})
    assert (full.status_code, full.json()["code"]) == (409, "too_many_invitations")
    monkeypatch.setattr("assistant.sharing.inviting.MAX_OPEN", 200)
    codes = [(await ada.call("POST", path, {"email": f"{uuid4().hex}@example.org"})).status_code for _ in range(50)]
    assert codes == [201] * 47 + [429] * 3


async def test_lists_go_on_where_they_ended(ada: Caller) -> None:
    space = await open_space(ada)
    made = [(await invite(ada, space, email=f"{n}-{uuid4().hex}@example.org"))["id"] for n in range(5)]
    found: list[str] = []
    path: str | None = f"/api/spaces/{space['id']}/collaborators?limit=2"
    while path:
        page = (await ada.get(path)).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        path = cursor and f"/api/spaces/{space['id']}/collaborators?limit=2&cursor={cursor}"
    assert found == made
