"""What a turn is searched for: nothing, what was said, or what that means after the turns before it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from assistant.knowledge.followups import Turn
from assistant.llm.events import Completed, ModelError, ModelEvent, ModelRequest, TextDelta, Usage
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.condense import QUESTION_CHARACTERS, Condenser, needs_documents
from assistant.mentor.offline import OfflineModel
from assistant.resources import resource_dir
from assistant.usage.reservations import unpaid
from tests.fixtures.briefing import learner_state

PROMPTS = PromptLibrary(resource_dir("prompts"))
TOOLS = ["list_tasks", "create_task", "update_module_progress"]
HISTORY: list[Turn] = [("user", "What is a bowline?"), ("assistant", "A loop at the end of a rope.")]


class Speaker:
    """Says one thing, fails with one error, or never says anything."""

    name = "scripted"
    fallback = None

    def __init__(self, said: str | ModelError | None) -> None:
        self.said = said
        self.told: list[str] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.told.append(request.messages[0]["content"][0]["text"])
        if self.said is None:
            await asyncio.Event().wait()
        if isinstance(self.said, ModelError):
            raise self.said
        yield TextDelta(str(self.said))
        yield Completed([{"type": "text", "text": str(self.said)}], "end_turn", Usage(50, 9, 0, 0), "claude-scripted")


@pytest.mark.parametrize(
    "question",
    [
        "Hello!", "thanks a lot", "Great, thank you!", "Danke dir, super!", "Muchas gracias", "Merci beaucoup !", "bye",
        "What is due?", "Was ist fällig?", "How far am I?", "Add a task: read chapter 2", "Remind me to buy a rope",
        "Could you move my tasks to Friday?", "Let's plan my week", "Create a goal for the spring",
        "Which are my goals?",
        "Mark module 2 50 %", "Kannst du meine Aufgaben auf Freitag verschieben", "Verschiebe die Aufgabe auf Montag",
    ],
)  # fmt: skip
def test_what_no_document_answers_is_not_looked_up(question: str) -> None:
    assert not needs_documents(question, learner_state(), TOOLS, offline=False)


@pytest.mark.parametrize(
    "question",
    [
        "What is a bowline?", "yes", "go on", "ok", "Why?", "How do I set a goal in negotiation?", "good knots",
        "What is the goal of photosynthesis?", "Is that task-based learning?", "Who said thanks for all the fish?",
        "Which deadlines does the law set?", "Was ist ein Ziel im Projektmanagement?", "How does a schedule work?",
    ],
)  # fmt: skip
def test_what_a_document_may_answer_is_looked_up(question: str) -> None:
    assert needs_documents(question, learner_state(), TOOLS, offline=False)


def test_without_a_model_only_what_it_has_words_for_is_not_looked_up() -> None:
    assert not needs_documents("Hello!", learner_state(), TOOLS, offline=True)
    assert needs_documents("Great, thank you so much for all!", learner_state(), TOOLS, offline=True)


async def test_a_model_says_what_a_follow_up_means() -> None:
    model = Speaker("Is the bowline easy to untie?")

    said = await Condenser(model, PROMPTS, "m").condense("And is it easy to untie?", HISTORY, unpaid)

    assert said is not None
    assert (said.text, said.usage) == ("Is the bowline easy to untie?", Usage(50, 9, 0, 0))
    assert "Learner: What is a bowline?\nMentor: A loop at the end of a rope." in model.told[0]


@pytest.mark.parametrize("question", ["Which documents does a skipper carry on coastal passages?", "yes", "go on"])
async def test_a_model_is_asked_only_where_something_points_back(question: str) -> None:
    model = Speaker("?")

    assert await Condenser(model, PROMPTS, "m").condense(question, HISTORY, unpaid) is None
    assert await Condenser(model, PROMPTS, "m").condense("And is it easy?", [], unpaid) is None
    assert model.told == []


@pytest.mark.parametrize("said", [ModelError("model_overloaded"), None, "", "word " * QUESTION_CHARACTERS])
async def test_a_model_that_fails_or_is_slow_or_rambles_changes_nothing(said: str | ModelError | None) -> None:
    condenser = Condenser(Speaker(said), PROMPTS, "m", seconds=0.05)

    assert await condenser.condense("And is it easy to untie?", HISTORY, unpaid) is None


async def test_the_offline_mentor_is_not_asked() -> None:
    assert await Condenser(OfflineModel(), PROMPTS, "m").condense("And is it easy to untie?", HISTORY, unpaid) is None
