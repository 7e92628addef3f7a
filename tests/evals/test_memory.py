"""A made conversation, and what is known of it at its end."""

import pytest
from click.testing import CliRunner

from assistant.cli import main
from assistant.evals.memory import make_conversation, measure_memory
from assistant.llm.prompts import PromptLibrary
from assistant.mentor.offline import OfflineModel
from assistant.mentor.summaries import Summariser
from assistant.resources import resource_dir


def test_the_same_seed_makes_the_same_conversation() -> None:
    assert make_conversation(30, 10, 1) == make_conversation(30, 10, 1)
    assert make_conversation(30, 10, 1) != make_conversation(30, 10, 2)


def test_each_fact_is_said_once() -> None:
    conversation, facts = make_conversation(40, 15, 3)

    assert len(facts) == 15
    assert all(any(fact.sentence in question for question, _ in conversation) for fact in facts)
    assert all(word in fact.sentence for fact in facts for word in fact.words)


@pytest.mark.parametrize("seed", [1, 2])
async def test_most_of_what_was_said_long_ago_is_known_without_a_model(seed: int) -> None:
    summariser = Summariser(OfflineModel(), PromptLibrary(resource_dir("prompts")), "none")

    found = await measure_memory(summariser, turns=80, facts=20, seed=seed)

    assert found.turns_told < 25
    assert found.known >= 0.8 * found.facts
    assert found.known == found.facts - len(found.missed)


def test_the_command_prints_what_is_known() -> None:
    told = CliRunner().invoke(main, ["eval", "memory", "--turns", "20", "--facts", "5"])

    assert told.exit_code == 0
    assert told.output.startswith("known ")
    assert "no more facts" in CliRunner().invoke(main, ["eval", "memory", "--turns", "2", "--facts", "5"]).output
