"""What the model was sent stands, byte for byte, at the beginning of what it is sent next: a provider's cache holds."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tests.fixtures.caching_model import blocks_of
from tests.fixtures.scripted_model import ToolUse, say
from tests.mentor.actions.conftest import Learner, create_task, yes


def written(body: Mapping[str, Any]) -> list[str]:
    """The blocks of a prompt as they were sent, without the marks that say what is to be kept."""
    return [
        json.dumps({name: value for name, value in block.items() if name != "cache_control"})
        if isinstance(block, dict)
        else block
        for block in blocks_of(body)
    ]


async def test_each_request_begins_with_the_one_before(ada: Learner) -> None:
    begun = len(ada.model.requests)
    lookup = ToolUse("list_tasks", {"status": "pending", "due_before": "2026-12-24"}, id="r")
    task = create_task("Tie a bowline", "w", priority="high", description="At the end of a rope", due_date="2026-12-01")
    await ada.ask("What is a bowline?", replies=(say("A knot."),))
    await ada.ask("What is due?", replies=(say("Let me see.", lookup), say("Nothing.")))
    [interrupt] = await ada.proposed(task)
    ada.model.script(say("It is there."))
    await ada.resume(yes(interrupt, {"title": "Tie two bowlines", "priority": "low"}))
    await ada.ask("Thank you", replies=(say("Welcome."),))
    sent = [written(request.body) for request in ada.model.requests[begun:]]
    assert len(sent) == 6
    for before, after in pairwise(sent):
        assert after[: len(before)] == before
