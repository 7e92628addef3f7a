"""Undo sets back what an action has changed, as long as nobody has touched it since."""

from typing import Any

from tests.fixtures.scripted_model import ToolUse
from tests.mentor.actions.conftest import Learner, create_task


async def executed(ada: Learner, tool: ToolUse) -> str:
    """The id of an action that was approved and done."""
    [interrupt] = await ada.proposed(tool)
    answered = (await ada.send(interrupt["id"], "approve")).json()
    assert answered["status"] == "executed", answered
    return str(interrupt["id"])


async def undo(ada: Learner, action_id: str) -> tuple[int, dict[str, Any]]:
    response = await ada.send(action_id, "undo")
    return response.status_code, response.json()


async def add_task(ada: Learner, title: str = "One") -> str:
    [(task,)] = await ada.rows(
        "insert into tasks (space_id, title, due_date) values (%s, %s, '2026-12-01') returning id",
        ada.person.space_id,
        title,
    )
    return str(task)


async def test_what_was_created_is_removed_once(ada: Learner) -> None:
    action = await executed(ada, create_task("One"))
    status, told = await undo(ada, action)
    assert (status, told["status"]) == (200, "undone")
    assert told["message"] == "The task “One” was created. This was undone."
    assert await ada.tasks() == []
    assert await undo(ada, action) == (200, told)


async def test_what_was_changed_has_its_values_back(ada: Learner) -> None:
    task = await add_task(ada)
    [(module,)] = await ada.rows(
        "insert into modules (space_id, title, content_type) values (%s, 'Knots', 'text') returning id",
        ada.person.space_id,
    )
    columns = "select title, status, priority, due_date, module_id, description from tasks where id = %s"
    before = await ada.rows(columns, task)
    changes = {
        "title": "Two",
        "status": "completed",
        "priority": "high",
        "module_id": str(module),
        "clear": ["due_date"],
    }
    action = await executed(ada, ToolUse("update_task", {"task_id": task, **changes}))
    assert (await ada.rows(columns, task))[0][:3] == ("Two", "completed", "high")
    assert (await undo(ada, action))[1]["status"] == "undone"
    assert await ada.rows(columns, task) == before


async def test_progress_is_set_back(ada: Learner) -> None:
    [(module,)] = await ada.rows(
        "insert into modules (space_id, title, content_type) values (%s, 'Knots', 'text') returning id",
        ada.person.space_id,
    )
    for percentage in (40, 100):
        progress = ToolUse("update_module_progress", {"module_id": str(module), "completion_percentage": percentage})
        action = await executed(ada, progress)
    shown = f"/api/modules/{module}/progress"
    assert (await ada.client.get(shown)).json()["completed_at"] is not None
    await undo(ada, action)
    now = (await ada.client.get(shown)).json()
    assert (now["completion_percentage"], now["completed_at"]) == (40, None)


async def test_a_goal_is_set_back(ada: Learner) -> None:
    action = await executed(ada, ToolUse("create_goal", {"title": "Learn to cook", "due_date": "2026-12-24"}))
    [(goal,)] = await ada.rows("select id from goals where title = 'Learn to cook' and user_id = %s", ada.person.id)
    later = await executed(ada, ToolUse("update_goal", {"goal_id": str(goal), "status": "completed"}))
    status, told = await undo(ada, action)
    assert (status, told["code"]) == (409, "undo_conflict")
    assert (await undo(ada, later))[0] == 200
    assert (await undo(ada, action))[0] == 200
    assert await ada.rows("select from goals where id = %s", goal) == []


async def test_what_somebody_has_touched_since_stays_and_is_told(ada: Learner) -> None:
    created = await executed(ada, create_task("New"))
    await ada.rows(
        "update tasks set title = 'Newer' where title = 'New' and space_id = %s returning 1", ada.person.space_id
    )
    status, told = await undo(ada, created)
    assert (status, told["code"]) == (409, "undo_conflict")
    assert "title was changed" in told["detail"]
    assert await ada.tasks() == ["Newer"]
    assert (await ada.action(created))["status"] == "executed"

    task = await add_task(ada)
    changed = await executed(ada, ToolUse("update_task", {"task_id": task, "status": "completed"}))
    await ada.rows("update tasks set priority = 'high' where id = %s returning 1", task)
    assert (await undo(ada, changed))[0] == 200  # another field is no conflict, and stays as it is
    assert await ada.rows("select status, priority from tasks where id = %s", task) == [("pending", "high")]


async def test_what_hangs_on_it_is_not_taken_with_it(ada: Learner) -> None:
    task = await executed(ada, create_task("One"))
    [(row,)] = await ada.rows("select id from tasks where space_id = %s", ada.person.space_id)
    commented = await ada.client.post(f"/api/tasks/{row}/comments", json={"content": "Mind the wind."})
    assert commented.status_code == 201
    assert (await undo(ada, task))[1]["code"] == "undo_conflict"
    goal = await executed(ada, ToolUse("create_goal", {"title": "Learn to cook"}))
    [(goal_id,)] = await ada.rows("select id from goals where title = 'Learn to cook' and user_id = %s", ada.person.id)
    assert (await ada.client.post("/api/spaces", json={"goal_id": str(goal_id), "title": "Soup"})).status_code == 201
    assert (await undo(ada, goal))[1]["code"] == "undo_conflict"


async def test_what_is_gone_cannot_be_set_back(ada: Learner) -> None:
    task = await add_task(ada)
    action = await executed(ada, ToolUse("update_task", {"task_id": task, "title": "Two"}))
    await ada.rows("delete from tasks where id = %s returning 1", task)
    assert (await undo(ada, action))[1]["code"] == "undo_conflict"


async def test_what_was_not_done_cannot_be_undone(ada: Learner) -> None:
    [interrupt] = await ada.proposed(create_task("One"))
    assert (await undo(ada, interrupt["id"]))[1]["code"] == "not_executed"
    await ada.send(interrupt["id"], "reject")
    assert (await undo(ada, interrupt["id"]))[1]["code"] == "not_executed"
