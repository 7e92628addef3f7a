"""Which model a name means, and what models cost and hold: what plans/prices.yaml says, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from assistant.checked_yaml import read_checked
from assistant.llm.events import Usage
from assistant.resources import resource_dir


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD per million tokens."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


@dataclass(frozen=True, slots=True)
class _Card:
    rates: _Rates
    context_window: int | None
    """Tokens of prompt and answer together."""
    long_prompt: int | None
    """Tokens of a prompt, cached parts included, above which the whole call has `long_rates`."""
    long_rates: _Rates | None


@dataclass(frozen=True, slots=True)
class _Prices:
    cards: Mapping[str, _Card]
    aliases: Mapping[str, str]


@cache
def _prices() -> _Prices:
    """Raises ConfigurationError where the file is not as its schema has it."""
    folder = resource_dir("plans")
    providers = read_checked(folder / "prices.yaml", folder / "prices.schema.json")
    models = {name: said for provider in providers.values() for name, said in provider["models"].items()}
    aliases = {alias: name for name, said in models.items() for alias in said.get("aliases", ())}
    return _Prices({name: _card(said) for name, said in models.items()}, aliases)


def _card(said: Mapping[str, Any]) -> _Card:
    long = said.get("long_prompt")
    return _Card(
        rates=_rates(said["price"]),
        context_window=said.get("context_window"),
        long_prompt=None if long is None else long["above"],
        long_rates=None if long is None else _rates(long),
    )


def _rates(said: Mapping[str, float]) -> _Rates:
    """What an embedding model has no price for it does not do."""
    kinds = ("input", "output", "cache_read", "cache_write")
    return _Rates(*(Decimal(str(said.get(kind, 0))) for kind in kinds))


def resolve_model(name: str) -> str:
    """The provider's id for an alias or a retired id; any other name is taken for an id and returned as it is."""
    return _prices().aliases.get(name, name)


def context_window(model: str) -> int | None:
    """Tokens of prompt and answer together; None for a model that the file does not know."""
    card = _prices().cards.get(resolve_model(model))
    return None if card is None else card.context_window


def cost(model: str, usage: Usage) -> Decimal | None:
    """USD of one call; None where the model's price or any of the counts is unknown."""
    card = _prices().cards.get(resolve_model(model))
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    known = [count for count in counts if count is not None]
    if card is None or len(known) < len(counts):
        return None
    fresh, output, read, written = known
    is_long = card.long_prompt is not None and fresh + read + written > card.long_prompt
    rates = card.long_rates if card.long_rates and is_long else card.rates
    spent = fresh * rates.input + output * rates.output + read * rates.cache_read + written * rates.cache_write
    return spent / 1_000_000


def highest_cost(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    """USD that a call may cost at most, whatever of it is cached; None for an unknown price."""
    costs = (
        cost(model, Usage(input_tokens, output_tokens, 0, 0)),
        cost(model, Usage(0, output_tokens, 0, input_tokens)),
    )
    known = [each for each in costs if each is not None]
    return max(known, default=None)
