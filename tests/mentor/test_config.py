"""Each field of a space's `ai_mentor_config` in the turn: what the provider is sent with it, and not without it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from assistant.resources import resource_dir
from tests.fixtures.api import Caller, open_space
from tests.fixtures.database import MakePerson
from tests.fixtures.scripted_model import say
from tests.fixtures.turns import Bench

Body = Mapping[str, Any]


def rules(body: Body) -> str:
    return str(body["system"][0]["text"])


def wishes(body: Body) -> str:
    return str(body["system"][1]["text"])


def question(body: Body) -> str:
    return str(body["messages"][-1]["content"][-1]["text"])


EFFECTS: Final[dict[str, tuple[Any, Callable[[Body], bool]]]] = {
    "type": ("coach", lambda body: "## Your role here: coach" in rules(body)),
    "personality": ("a calm skipper", lambda body: "\nPersonality: a calm skipper\n" in wishes(body)),
    "expertise": (["knots", "wind"], lambda body: "\nExpertise: knots, wind\n" in wishes(body)),
    "name": ("Nell", lambda body: "\nName: Nell\n" in wishes(body)),
    "language": ("de-CH", lambda body: "\nLanguage: de-CH\n" in wishes(body) and 'language="de-CH"' in question(body)),
    "tone": ("dry", lambda body: "\nTone: dry\n" in wishes(body)),
    "instructions": ("Speak of tides.", lambda body: "\nInstructions: Speak of tides.\n" in wishes(body)),
    "model": ("claude-sonnet", lambda body: body["model"] == "claude-sonnet-5-5"),
    "grounding": ("strict", lambda body: "## Only the documents" in rules(body)),
    "tools": ({"create_goal": "off"}, lambda body: "create_goal" not in [tool["name"] for tool in body["tools"]]),
}  # fmt: skip

SHOWN: Final = {"greeting": "Ahoy!", "suggested_prompts": ["What is due?"]}
"""For people, before anything is asked; no model hears of them."""


@pytest.mark.parametrize("name", EFFECTS)
async def test_a_field_has_its_effect_in_the_turn(bench: Bench, make_person: MakePerson, name: str) -> None:
    value, effect = EFFECTS[name]
    for config in ({}, {name: value}):
        await bench.ask(await make_person(config=json.dumps(config)), "Hello?", say("Hello."))
    without, with_it = (request.body for request in bench.server.requests)
    assert not effect(without)
    assert effect(with_it)


async def test_greeting_and_suggestions_reach_clients_and_no_model(
    bench: Bench, make_person: MakePerson, ada: Caller
) -> None:
    space = await open_space(ada, ai_mentor_config=SHOWN)
    assert (await ada.get(f"/api/spaces/{space['id']}")).json()["ai_mentor_config"] == SHOWN
    await bench.ask(await make_person(config=json.dumps(SHOWN)), "Hello?", say("Hello."))
    assert "Ahoy" not in json.dumps(bench.server.requests[0].body)


def test_no_field_is_left_out() -> None:
    schema = json.loads((resource_dir("prompts") / "mentor" / "config.schema.json").read_text())
    assert EFFECTS.keys() | SHOWN.keys() == schema["properties"].keys()
    told = (Path(__file__).parents[2] / "docs" / "mentor.md").read_text()
    rows = "\n".join(line.split(" | ")[0] for line in told.splitlines() if line.startswith("| `"))
    assert [name for name in schema["properties"] if f"`{name}`" not in rows] == []
