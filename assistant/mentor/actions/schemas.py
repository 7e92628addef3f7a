"""What goes over the wire about actions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from assistant.http import Incoming, Outgoing
from assistant.mentor.actions.models import Action, ActionStatus, Reason
from assistant.mentor.actions.wording import tell


class ActionRead(Outgoing):
    id: UUID
    space_id: UUID
    thread_id: str
    run_id: str
    """The run that asked for it, by the name that clients know."""
    tool: str
    arguments: dict[str, Any]
    """As they were approved, or proposed."""
    status: ActionStatus
    reason: Reason | None
    """Why it was not done at once; null: it was."""
    effect: dict[str, Any] | None
    """The row, and each field before and after: as it would be, or was."""
    result: dict[str, Any] | None
    message: str
    """What would be, was, or was not done, in a sentence made from what is stored."""
    expires_at: datetime
    created_at: datetime
    answered_at: datetime | None
    executed_at: datetime | None
    undone_at: datetime | None

    @classmethod
    def of(cls, action: Action) -> "ActionRead":
        return cls(
            id=action.id,
            space_id=action.space_id,
            thread_id=action.thread_id,
            run_id=action.client_run_id,
            tool=action.tool,
            arguments=action.arguments,
            status=action.status,
            reason=action.reason,
            effect=action.effect,
            result=action.result,
            message=tell(action.status, action.effect, action.result),
            expires_at=action.expires_at,
            created_at=action.created_at,
            answered_at=action.answered_at,
            executed_at=action.executed_at,
            undone_at=action.undone_at,
        )


class Approval(Incoming):
    """`arguments`: as the learner edited them; left out, as proposed."""

    arguments: dict[str, Any] | None = None
