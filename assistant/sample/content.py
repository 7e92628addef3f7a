"""What the sample learner has. The documents lie beside it as Markdown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

EMAIL: Final = "sailor@example.org"
NAME: Final = "Sample learner"
GOAL: Final = "Sail across the bay by the end of summer"
SPACE: Final = "Sailing basics"
QUESTION: Final = "Two sailing boats meet on opposite tacks. Which one has to give way?"

MENTOR: Final = {
    "type": "default",
    "personality": "calm and practical",
    "expertise": ["dinghy sailing", "seamanship"],
    "greeting": "Hello! I know this space's notes on sailing, and your plan. What would you like to know?",
    "suggested_prompts": [QUESTION, "What is due?", "How do I get out of irons?", "Add a task: buy a whistle"],
    "tools": {"update_module_progress": "auto"},
}

DOCUMENTS: Final = Path(__file__).parent / "documents"


@dataclass(frozen=True, slots=True)
class SampleModule:
    title: str
    minutes: int
    progress: int


MODULES: Final = (
    SampleModule("Knots", 45, 100),
    SampleModule("Points of sail", 60, 40),
    SampleModule("Right of way", 45, 0),
    SampleModule("Safety on the water", 30, 0),
)


@dataclass(frozen=True, slots=True)
class SampleTask:
    title: str
    module: str | None
    due_in_days: int | None
    priority: str


TASKS: Final = (
    SampleTask("Tie a bowline with eyes closed", "Knots", 2, "medium"),
    SampleTask("Draw the no-go zone from memory", "Points of sail", 5, "high"),
    SampleTask("Book a boat for Saturday", None, 6, "urgent"),
)
