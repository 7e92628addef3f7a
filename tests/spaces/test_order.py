"""The order of a space's modules."""

import asyncio
from typing import Any
from uuid import uuid4

from assistant.db.session import Database
from tests.fixtures.api import Caller, errors_of, open_space
from tests.fixtures.database import join_space


async def make_modules(owner: Caller, space: dict[str, Any], count: int) -> list[str]:
    path = f"/api/spaces/{space['id']}/modules"
    bodies = [{"title": f"M{n}", "content_type": "text", "order_index": n} for n in range(count)]
    return [(await owner.make(path, body))["id"] for body in bodies]


async def order_of(caller: Caller, space: dict[str, Any]) -> list[str]:
    return [item["id"] for item in (await caller.get(f"/api/spaces/{space['id']}/modules")).json()["items"]]


async def test_modules_stand_as_they_were_put(ada: Caller, bob: Caller, database: Database) -> None:
    space = await open_space(ada, visibility="shared")
    modules = await make_modules(ada, space, 5)
    await join_space(database, space["id"], bob.id, "editor")
    path = f"/api/spaces/{space['id']}/modules/order"
    for caller, wanted in ((ada, modules[::-1]), (bob, modules[2:] + modules[:2])):
        answer = await caller.call("PUT", path, {"module_ids": wanted})
        assert (answer.status_code, answer.json()) == (200, {"module_ids": wanted})
        assert await order_of(ada, space) == wanted
    items = (await ada.get(f"/api/spaces/{space['id']}/modules")).json()["items"]
    assert [item["order_index"] for item in items] == [0, 1, 2, 3, 4]
    again = (await ada.get(f"/api/modules/{wanted[0]}")).json()["updated_at"]
    await ada.call("PUT", path, {"module_ids": wanted})
    assert (await ada.get(f"/api/modules/{wanted[0]}")).json()["updated_at"] == again


async def test_all_of_them_and_each_once(ada: Caller, bob: Caller) -> None:
    space, other = await open_space(ada), await open_space(bob)
    modules, foreign = await make_modules(ada, space, 3), await make_modules(bob, other, 1)
    path = f"/api/spaces/{space['id']}/modules/order"
    for wanted in (modules[:2], [*modules, str(uuid4())], [*modules[:2], foreign[0]], []):
        answer = await ada.call("PUT", path, {"module_ids": wanted})
        assert (answer.status_code, answer.json()["code"]) == (409, "modules_changed")
    for body, field in (
        ({"module_ids": [*modules, modules[0]]}, "module_ids"),
        ({"module_ids": ["x"]}, "module_ids[0]"),
        ({}, "module_ids"),
        ({"module_ids": modules, "space_id": other["id"]}, "space_id"),
    ):
        answer = await ada.call("PUT", path, body)
        assert (answer.status_code, errors_of(answer)) == (422, [field])
    assert await order_of(ada, space) == modules
    empty = await open_space(ada, title="Empty")
    answer = await ada.call("PUT", f"/api/spaces/{empty['id']}/modules/order", {"module_ids": []})
    assert (answer.status_code, answer.json()) == (200, {"module_ids": []})


async def test_readers_sort_nothing(ada: Caller, bob: Caller, anybody: Caller, database: Database) -> None:
    hidden, shared = await open_space(ada, title="Hidden"), await open_space(ada, visibility="public")
    await join_space(database, shared["id"], bob.id, "viewer")
    for space, refused in ((hidden, 404), (shared, 403)):
        modules = await make_modules(ada, space, 2)
        body = {"module_ids": modules[::-1]}
        path = f"/api/spaces/{space['id']}/modules/order"
        assert (await bob.call("PUT", path, body)).status_code == refused
        assert (await anybody.call("PUT", path, body)).status_code == 401
        assert await order_of(ada, space) == modules


async def test_many_who_sort_at_once_leave_one_of_their_orders(ada: Caller) -> None:
    space = await open_space(ada)
    modules = await make_modules(ada, space, 8)
    path = f"/api/spaces/{space['id']}/modules/order"
    orders = [modules[n:] + modules[:n] if n % 2 else (modules[n:] + modules[:n])[::-1] for n in range(8)]
    answers = await asyncio.gather(*(ada.call("PUT", path, {"module_ids": order}) for order in orders))
    assert {answer.status_code for answer in answers} == {200}
    assert await order_of(ada, space) in orders
    items = (await ada.get(f"/api/spaces/{space['id']}/modules")).json()["items"]
    assert [item["order_index"] for item in items] == list(range(8))
