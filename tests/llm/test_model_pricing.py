"""Names, windows and prices."""

from decimal import Decimal
from typing import get_args

import pytest
from anthropic.types import Model as KnownIds

from assistant.llm.events import NO_USAGE, Usage
from assistant.llm.pricing import context_window, cost, resolve_model

ALIASES = [
    "claude-3-haiku",
    "claude-haiku",
    "claude-sonnet",
    "claude-opus",
    "claude-3-5-sonnet-latest",
    "claude-3-opus",
]


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_means_a_model_that_the_provider_lists(alias: str) -> None:
    known = {model for group in get_args(KnownIds) for model in get_args(group)}

    assert resolve_model(alias) in known
    assert context_window(alias) == 1_000_000


def test_the_schemas_default_means_the_current_haiku() -> None:
    assert resolve_model("claude-3-haiku") == resolve_model("claude-haiku") == "claude-haiku-5-5"


@pytest.mark.parametrize("name", ["qwen3:8b", "claude-sonnet-9", "", "claude-haiku-5-5"])
def test_any_other_name_passes_through(name: str) -> None:
    assert resolve_model(name) == name


def test_an_unknown_model_has_no_window_and_no_price() -> None:
    assert context_window("qwen3:8b") is None
    assert cost("qwen3:8b", Usage(1, 1, 0, 0)) is None


def test_cost_is_the_sum_over_the_kinds_of_tokens() -> None:
    million = 1_000_000

    assert cost("claude-sonnet", Usage(million, million, million, million)) == Decimal("14.60")
    assert cost("claude-haiku", Usage(50_000, 1_000, 0, 0)) == Decimal("0.0055")
    assert cost("claude-haiku", NO_USAGE) == 0


def test_a_long_prompt_has_its_own_rates_for_the_whole_call_cached_parts_included() -> None:
    assert cost("claude-haiku", Usage(40_000, 1_000, 60_000, 0)) == Decimal("0.0051")
    assert cost("claude-haiku", Usage(40_000, 1_000, 60_001, 0)) == Decimal("0.02550005")


@pytest.mark.parametrize("usage", [Usage(), Usage(1, None, 0, 0), Usage(1, 1, None, 0)])
def test_an_unknown_count_makes_the_cost_unknown(usage: Usage) -> None:
    assert cost("claude-haiku", usage) is None
