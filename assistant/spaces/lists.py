"""What can be listed of spaces, modules and tasks."""

from typing import Final

from assistant.db.listing import BY_CREATION, ID, Key, Listing, column, contained_in, date_or_never
from assistant.spaces.schemas import PRIORITIES, ModuleItem, SpaceRead, TaskRead

_THE_SPACE: Final = "select from public.spaces where id = %(space_id)s"

_JOINED: Final = """
    select c.space_id from public.space_collaborators c
    where c.user_id = %(member)s and c.accepted_at is not null
"""

_OWNED: Final = "select s.id from public.spaces s where s.user_id = %(member)s"

SPACES: Final = Listing(
    name="spaces",
    item=SpaceRead,
    source="public.spaces",
    filters={
        "member": f"id = any (array({_OWNED} union all {_JOINED}))",
        "owner": "user_id = %(owner)s",
        "public": "visibility = 'public'",
        "goal_id": "goal_id = %(goal_id)s",
        "visibility": "visibility = %(visibility)s",
        "q": contained_in("title", "description"),
    },
    orders=BY_CREATION,
)
"""`member`: owned or joined by that person."""

MODULES: Final = Listing(
    name="modules",
    item=ModuleItem,
    source="public.modules",
    filters={"space_id": "space_id = %(space_id)s", "q": contained_in("title", "description")},
    orders={"place": (column("order_index", int), ID)},
    parent=_THE_SPACE,
    noun="space",
)

_TASK_FILTERS: Final = {
    "status": "status = %(status)s",
    "priority": "priority = %(priority)s",
    "module_id": "module_id = %(module_id)s",
    "due_before": "due_date < %(due_before)s",
    "due_after": "due_date >= %(due_after)s",
    "q": contained_in("title", "description"),
}

_URGENCY: Final = Key(
    "case priority when 'low' then 0 when 'high' then 2 when 'urgent' then 3 else 1 end",
    int,
    lambda task: 1 if task.priority is None else PRIORITIES.index(task.priority),
)

_TASK_ORDERS: Final = {**BY_CREATION, "due": (date_or_never("due_date"), ID), "priority": (_URGENCY, ID)}

TASKS: Final = Listing(
    name="tasks",
    item=TaskRead,
    source="public.tasks",
    filters={"space_id": "space_id = %(space_id)s", **_TASK_FILTERS},
    orders=_TASK_ORDERS,
    parent=_THE_SPACE,
    noun="space",
)

ALL_TASKS: Final = Listing(
    name="all tasks",
    item=TaskRead,
    source="public.tasks",
    filters={
        "member": f"space_id = any (array({_OWNED} union all {_JOINED}))",
        **_TASK_FILTERS,
    },
    orders=_TASK_ORDERS,
)
"""Of all spaces that a person owns or has joined."""
