"""Lists piece by piece: everything once, and cursors that work for their own list only."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from assistant.db.identity import ANONYMOUS, learner
from assistant.errors import BadRequestError
from assistant.pagination import Cursors, Page, Paginator
from tests.fixtures.api import Caller, open_space

DATABASE: Any = None
"""Not asked here."""

CURSORS = Cursors("a secret that is long enough for this purpose")
PERSON = learner(UUID("7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11"))


class Item:
    def __init__(self, number: int) -> None:
        self.number = number
        self.created_at = datetime(2026, 11, 24, 12, 0, number, 123456, UTC)
        self.id = uuid4()


def paginator(cursor: str | None = None, limit: int = 2) -> Paginator:
    return Paginator(PERSON, limit, cursor, CURSORS, DATABASE)


def test_a_cursor_says_where_the_page_ended() -> None:
    items = [Item(n) for n in range(3)]
    page = paginator().page(items, "things", None, "open")
    assert page.items == items[:2]
    assert paginator(page.next_cursor).after("things", None, "open") == (items[1].created_at, items[1].id)


def test_the_last_page_has_no_cursor() -> None:
    assert paginator().page([Item(1), Item(2)], "things").next_cursor is None
    assert paginator().page([], "things") == Page([], None)
    assert paginator().after("things") is None


def test_a_cursor_works_for_its_caller_list_filter_order_and_secret_only() -> None:
    cursor = paginator().page([Item(n) for n in range(3)], "things", "open").next_cursor
    assert cursor is not None
    order = (("order_index", int), ("id", UUID))
    foreign: list[Callable[[], object]] = [
        lambda: Paginator(learner(uuid4()), 2, cursor, CURSORS, DATABASE).after("things", "open"),
        lambda: Paginator(ANONYMOUS, 2, cursor, CURSORS, DATABASE).after("things", "open"),
        lambda: paginator(cursor).after("others", "open"),
        lambda: paginator(cursor).after("things", "done"),
        lambda: paginator(cursor).after("things", None),
        lambda: paginator(cursor).after("things"),
        lambda: paginator(cursor).after("things", "open", order=order),
        lambda: Paginator(PERSON, 2, cursor, Cursors("another secret, as long as it has to be"), DATABASE).after(
            "things", "open"
        ),
    ]
    for attempt in foreign:
        with pytest.raises(BadRequestError):
            attempt()


@pytest.mark.parametrize("change", ["", "x", "AAAA", "é", "\0", "a" * 999])
def test_what_is_no_cursor_of_ours_is_refused(change: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        paginator(change).after("things")
    assert refusal.value.code == "bad_cursor"


def test_no_byte_of_a_cursor_can_be_changed() -> None:
    cursor = paginator().page([Item(n) for n in range(3)], "things").next_cursor
    assert cursor is not None
    for index, letter in enumerate(cursor[:-1]):  # the last one may hold bits that mean nothing
        changed = cursor[:index] + ("A" if letter != "A" else "B") + cursor[index + 1 :]
        with pytest.raises(BadRequestError):
            paginator(changed).after("things")


async def test_pages_show_everything_once_while_the_list_changes(ada: Caller) -> None:
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}/tasks"
    made = [(await ada.make(path, {"title": f"Task {n}"}))["id"] for n in range(7)]
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        answer = await ada.get(f"{path}?limit=2{f'&cursor={cursor}' if cursor else ''}")
        page = answer.json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if pages == 1:
            await ada.call("DELETE", f"/api/tasks/{made[0]}")
        if pages == 2:
            made.append((await ada.make(path, {"title": "Late"}))["id"])
    assert seen == made
    assert pages == 4


async def test_newest_first_and_modules_in_their_order(ada: Caller) -> None:
    goals = [(await ada.make("/api/goals", {"title": f"Goal {n}"}))["id"] for n in range(3)]
    space = await ada.make("/api/spaces", {"goal_id": goals[0], "title": "S"})
    path = f"/api/spaces/{space['id']}/modules"
    orders = [3, -1, 2, 2, 0]
    for n in orders:
        await ada.make(path, {"title": f"M{n}", "content_type": "text", "order_index": n})
    for caller_path, expected in (("/api/goals", goals[::-1]), (path, None)):
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await ada.get(f"{caller_path}?limit=2{f'&cursor={cursor}' if cursor else ''}")).json()
            items += page["items"]
            cursor = page["next_cursor"]
        if expected is not None:
            assert [item["id"] for item in items] == expected
        else:
            assert [item["order_index"] for item in items] == sorted(orders)


async def test_a_cursor_of_somebody_else_or_of_another_filter_is_a_bad_request(ada: Caller, bob: Caller) -> None:
    for caller in (ada, bob):
        for n in range(2):
            await caller.make("/api/goals", {"title": f"Goal {n}"})
    cursor = (await ada.get("/api/goals?limit=1")).json()["next_cursor"]
    assert (await ada.get(f"/api/goals?limit=2&cursor={cursor}")).status_code == 200
    for answer in (
        await bob.get(f"/api/goals?cursor={cursor}"),
        await ada.get(f"/api/goals?status=active&cursor={cursor}"),
        await ada.get(f"/api/spaces?cursor={cursor}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
