"""What can be listed of goals."""

from typing import Final

from assistant.db.listing import BY_CREATION, ID, Key, Listing, contained_in, date_or_never
from assistant.goals.schemas import GoalRead

GOALS: Final = Listing(
    name="goals",
    item=GoalRead,
    source="public.goals",
    filters={
        "user_id": "user_id = %(user_id)s",
        "status": "status = %(status)s",
        "category": "category = %(category)s",
        "due_before": "due_date < %(due_before)s",
        "q": contained_in("title", "description"),
    },
    orders={
        **BY_CREATION,
        "due": (date_or_never("due_date"), ID),
        "priority": (Key("coalesce(priority, 0)", int, lambda goal: goal.priority or 0), ID),
    },
)
"""The person's own: the policy says so as well, but an index is chosen by a value that is there to be seen."""
