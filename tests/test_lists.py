"""Lists: what they are narrowed to and sorted by, page by page, also while rows come and go."""

from typing import Any

import pytest

from assistant.db.session import Database
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space


async def pages(caller: Caller, path: str, *, limit: int = 2) -> list[dict[str, Any]]:
    """All items of a list, read in small pages."""
    items, cursor = [], ""
    while True:
        answer = await caller.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert len(page["items"]) == limit
        cursor = f"&cursor={page['next_cursor']}"


async def titles(caller: Caller, path: str, **options: Any) -> str:
    return " ".join(item["title"] for item in await pages(caller, path, **options))


TASKS: tuple[tuple[str, dict[str, str]], ...] = (
    ("a", {"due_date": "2026-12-03T00:00:00Z", "priority": "low"}),
    ("b", {"priority": "urgent", "status": "completed"}),
    ("c", {"due_date": "2026-12-01T00:00:00Z", "priority": "high", "description": "Tie a 100% Bowline_knot"}),
    ("d", {}),
    ("e", {"due_date": "2026-12-01T00:00:00Z", "priority": "urgent"}),
)


@pytest.fixture
async def tasks(ada: Caller) -> str:
    space = await open_space(ada, visibility="shared")
    path = f"/api/spaces/{space['id']}/tasks"
    for title, values in TASKS:
        await ada.make(path, {"title": title, **values})
    return path


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "a b c d e"),
        ("order=-created", "e d c b a"),
        ("order=title", "a b c d e"),
        ("order=-title", "e d c b a"),
        ("order=priority", "a d c {b e}"),
        ("order=-priority", "{b e} c d a"),
        ("order=due", "{c e} a {b d}"),
        ("order=-due", "{b d} a {c e}"),
        ("status=completed", "b"),
        ("priority=urgent", "b e"),
        ("due_before=2026-12-03T00:00:00Z", "c e"),
        ("due_after=2026-12-03T00:00:00Z", "a"),
        ("due_after=2026-12-01T00:00:00Z&due_before=2026-12-02T00:00:00Z&order=-title", "e c"),
        ("q=bowline", "c"),
        ("q=BOWLINE_KNOT", "c"),
        ("q=100%25", "c"),
        ("q=%25", "c"),
        ("q=_", "c"),
        ("q=%5C", ""),
        ("q=e", "c e"),
    ],
)
async def test_tasks(query: str, expected: str, ada: Caller, tasks: str) -> None:
    found = await titles(ada, f"{tasks}?{query}")
    assert sorted(found.split()) == sorted(expected.replace("{", "").replace("}", "").split())
    order = {letter: rank for rank, group in enumerate(groups(expected)) for letter in group}
    assert [order[letter] for letter in found.split()] == sorted(order.values())
    assert found == await titles(ada, f"{tasks}?{query}", limit=1) == await titles(ada, f"{tasks}?{query}", limit=100)


def groups(expected: str) -> list[str]:
    """`a {b c}`: b and c in any order."""
    inside, found = False, []
    for letter in expected.replace(" ", ""):
        if letter in "{}":
            inside = letter == "{"
            found += [""] if inside else []
        elif inside:
            found[-1] += letter
        else:
            found.append(letter)
    return found


@pytest.mark.parametrize("order", ["created", "updated", "due", "priority", "title"])
@pytest.mark.parametrize("direction", ["", "-"])
async def test_a_page_goes_on_where_the_one_before_ended(direction: str, order: str, ada: Caller, tasks: str) -> None:
    """Rows that come and go between two pages neither repeat what was shown nor hide what was not."""
    path = f"{tasks}?order={direction}{order}"
    whole = await pages(ada, path, limit=100)
    first = (await ada.get(f"{path}&limit=2")).json()
    for title, values in TASKS:
        await ada.make(tasks, {"title": f"{title}{title}", **values})
    await ada.call("DELETE", f"/api/tasks/{first['items'][-1]['id']}")
    rest = (await ada.get(f"{path}&limit=100&cursor={first['next_cursor']}")).json()["items"]
    assert [task["id"] for task in rest if len(task["title"]) == 1] == [task["id"] for task in whole[2:]]


async def test_a_cursor_is_for_one_order_and_filter(ada: Caller, tasks: str) -> None:
    cursor = (await ada.get(f"{tasks}?limit=1&order=due&q=a")).json()["next_cursor"]
    cursor = cursor or (await ada.get(f"{tasks}?limit=1&order=due")).json()["next_cursor"]
    for query in ("", "order=-due", "order=created", "order=due&status=pending", "order=due&q=b"):
        answer = await ada.get(f"{tasks}?{query}&cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), query


async def test_goals(ada: Caller) -> None:
    for title, values in (
        ("Sail", {"category": "Sport", "priority": 2, "due_date": "2027-01-01T00:00:00Z"}),
        ("Swim", {"category": "Sport", "description": "before I SAIL", "priority": -1}),
        ("Knit", {"category": "Craft", "due_date": "2026-12-31T00:00:00Z", "status": "archived"}),
    ):
        await ada.make("/api/goals", {"title": title, **values})
    for query, expected in (
        ("", "Knit Swim Sail"), ("order=created", "Sail Swim Knit"), ("order=title", "Knit Sail Swim"),
        ("order=-priority", "Sail Knit Swim"), ("order=due", "Knit Sail Swim"), ("category=Sport", "Swim Sail"),
        ("category=sport", ""), ("q=sail", "Swim Sail"), ("q=sail&category=Sport&order=-due", "Swim Sail"),
        ("due_before=2027-01-01T00:00:00Z", "Knit"), ("status=active&order=title", "Sail Swim"),
    ):  # fmt: skip
        assert await titles(ada, f"/api/goals?{query}", limit=1) == expected, query


async def test_spaces(ada: Caller) -> None:
    for title, values in (
        ("Sea", {"visibility": "shared"}), ("Lake", {"visibility": "private", "description": "no SEA"}),
        ("River", {"visibility": "private"}),
    ):  # fmt: skip
        await open_space(ada, title=title, **values)
    for query, expected in (
        ("", "River Lake Sea"), ("order=created", "Sea Lake River"), ("order=-title", "Sea River Lake"),
        ("visibility=private", "River Lake"), ("q=sea", "Lake Sea"), ("q=sea&visibility=shared", "Sea"),
    ):  # fmt: skip
        assert await titles(ada, f"/api/spaces?{query}", limit=1) == expected, query


async def test_modules_keep_their_order(ada: Caller) -> None:
    space = await open_space(ada)
    path = f"/api/spaces/{space['id']}/modules"
    for place, title in ((3, "Sails"), (1, "Knots"), (2, "Wind and SAILS")):
        await ada.make(path, {"title": title, "content_type": "text", "order_index": place})
    assert [module["order_index"] for module in await pages(ada, path, limit=1)] == [1, 2, 3]
    assert [module["order_index"] for module in await pages(ada, f"{path}?q=sails", limit=1)] == [2, 3]


async def test_tasks_of_all_spaces_of_ones_own(
    ada: Caller, bob: Caller, make_caller: MakeCaller, database: Database
) -> None:
    own, other = await open_space(ada), await open_space(ada, title="Rowing")
    shared = await open_space(bob, title="Shared", visibility="shared")
    invited = await open_space(bob, title="Invited", visibility="shared")
    public = await open_space(bob, title="Public", visibility="public")
    await join_space(database, shared["id"], ada.id, "viewer")
    await join_space(database, invited["id"], ada.id, "viewer", accepted=False)
    for owner, space, title, due in (
        (ada, own, "own", 3), (ada, other, "other", 1), (bob, shared, "shared", 2), (bob, invited, "invited", 1),
        (bob, public, "public", 1), (ada, own, "some day", None),
    ):  # fmt: skip
        due_date = f"2026-12-0{due}T00:00:00Z" if due else None
        await owner.make(f"/api/spaces/{space['id']}/tasks", {"title": title, "due_date": due_date})
    assert await titles(ada, "/api/tasks", limit=1) == "other shared own some day"
    assert await titles(ada, "/api/tasks?due_before=2026-12-03T00:00:00Z") == "other shared"
    assert await titles(ada, "/api/tasks?q=o&order=-title") == "some day own other"
    assert await titles(await make_caller(), "/api/tasks") == ""
    await bob.call("PATCH", f"/api/spaces/{shared['id']}", {"visibility": "private"})
    assert await titles(ada, "/api/tasks?due_before=2026-12-04T00:00:00Z") == "other own"


@pytest.mark.parametrize(
    "query",
    ["order=size", "order=", "order=--due", "q=", "q=%00", f"q={'x' * 201}", "due_before=soon", "status=open",
     "due_before=2026-12-02T00:00:00", "due_after=2026-12-02", "due_before=99999-01-01T00:00:00Z",
     "due_before=0.5", "due_after=1790000000", "priority=high!"],
)  # fmt: skip
async def test_a_filter_that_is_none_is_named(query: str, ada: Caller, tasks: str) -> None:
    for path in (tasks, "/api/tasks"):
        answer = await ada.get(f"{path}?{query}")
        assert (answer.status_code, errors_of(answer)) == (422, [query.split("=")[0]])


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_the_ends_of_time_are_moments(moment: str, ada: Caller, tasks: str) -> None:
    before, after = [len(await pages(ada, f"{tasks}?due_{side}={moment}")) for side in ("before", "after")]
    assert {before, after} == {0, 3}
