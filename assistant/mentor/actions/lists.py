"""What can be listed of actions."""

from datetime import datetime
from typing import Final
from uuid import UUID

from assistant.db.listing import Key, Listing
from assistant.mentor.actions.models import Action
from assistant.mentor.actions.repository import COLUMNS, SOURCE
from assistant.mentor.actions.schemas import ActionRead

ACTIONS: Final = Listing(
    name="actions",
    item=ActionRead,
    source=SOURCE,
    filters={
        "user_id": "a.user_id = %(user_id)s",
        "space_id": "a.space_id = %(space_id)s",
        "thread_id": "r.thread_id = %(thread_id)s",
        "run_id": "r.client_run_id = %(run_id)s",
        "status": "assistant.action_status(a) = %(status)s",
    },
    orders={
        "created": (
            Key("a.created_at", datetime, lambda action: action.created_at),
            Key("a.id", UUID, lambda action: action.id),
        ),
    },
    columns=COLUMNS,
    make=lambda *row: ActionRead.of(Action(*row)),
)
