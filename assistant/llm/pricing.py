"""Which model a name means, and what models cost and hold. The only place that knows provider's ids."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from assistant.llm.events import Usage

# Ids: model list of the anthropic SDK 2.13. Windows, limits and prices (USD per million tokens): the model pages and
# the price list at https://platform.claude.com/docs/en/about-claude/pricing, as published in October 2026,
# read on 2026-11-24. Cache writes are those with the usual life of five minutes.

_HAIKU: Final = "claude-haiku-5-5"
_SONNET: Final = "claude-sonnet-5-5"
_OPUS: Final = "claude-opus-5-5"

_ALIASES: Final = {
    "claude-haiku": _HAIKU,
    "claude-sonnet": _SONNET,
    "claude-opus": _OPUS,
    # Retired by the provider: a call would fail. The first is the schema's default.
    "claude-3-haiku": _HAIKU,
    "claude-3-haiku-20240307": _HAIKU,
    "claude-3-5-haiku": _HAIKU,
    "claude-3-5-haiku-20241022": _HAIKU,
    "claude-3-5-haiku-latest": _HAIKU,
    "claude-3-sonnet": _SONNET,
    "claude-3-sonnet-20240229": _SONNET,
    "claude-3-5-sonnet": _SONNET,
    "claude-3-5-sonnet-20240620": _SONNET,
    "claude-3-5-sonnet-20241022": _SONNET,
    "claude-3-5-sonnet-latest": _SONNET,
    "claude-3-7-sonnet": _SONNET,
    "claude-3-7-sonnet-20250219": _SONNET,
    "claude-3-7-sonnet-latest": _SONNET,
    "claude-3-opus": _OPUS,
    "claude-3-opus-20240229": _OPUS,
    "claude-3-opus-latest": _OPUS,
}


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD per million tokens."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal


def _rates(price_in: str, price_out: str, cache_read: str, cache_write: str) -> _Rates:
    return _Rates(Decimal(price_in), Decimal(price_out), Decimal(cache_read), Decimal(cache_write))


@dataclass(frozen=True, slots=True)
class _Card:
    context_window: int
    """Tokens of prompt and answer together."""
    rates: _Rates
    long_rates: _Rates | None = None
    """For the whole of a call whose prompt, cached parts included, has more than `_LONG_PROMPT` tokens."""


_LONG_PROMPT: Final = 100_000

_CARDS: Final = {
    _HAIKU: _Card(1_000_000, _rates("0.10", "0.50", "0.01", "0.125"), _rates("0.50", "2.50", "0.05", "0.625")),
    _SONNET: _Card(1_000_000, _rates("2", "10", "0.10", "2.50")),
    _OPUS: _Card(1_000_000, _rates("4", "20", "0.20", "5")),
    "claude-haiku-4-5": _Card(200_000, _rates("1", "5", "0.10", "1.25")),
    "claude-haiku-4-5-20251001": _Card(200_000, _rates("1", "5", "0.10", "1.25")),
    "claude-sonnet-4-6": _Card(1_000_000, _rates("3", "15", "0.30", "3.75")),
    "claude-sonnet-5": _Card(1_000_000, _rates("2", "10", "0.20", "2.50")),
    "claude-opus-4-6": _Card(1_000_000, _rates("5", "25", "0.50", "6.25")),
    "claude-opus-4-7": _Card(1_000_000, _rates("5", "25", "0.50", "6.25")),
    "claude-opus-4-8": _Card(1_000_000, _rates("5", "25", "0.50", "6.25")),
    "claude-opus-5": _Card(1_000_000, _rates("5", "25", "0.50", "6.25")),
}


def resolve_model(name: str) -> str:
    """The provider's id for an alias or a retired id; any other name is taken for an id and returned as it is."""
    return _ALIASES.get(name, name)


def context_window(model: str) -> int | None:
    """Tokens of prompt and answer together; None for a model that this table does not know."""
    card = _CARDS.get(resolve_model(model))
    return None if card is None else card.context_window


def cost(model: str, usage: Usage) -> Decimal | None:
    """USD of one call; None where the model's price or any of the counts is unknown."""
    card = _CARDS.get(resolve_model(model))
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    known = [count for count in counts if count is not None]
    if card is None or len(known) < len(counts):
        return None
    fresh, output, read, written = known
    is_long = fresh + read + written > _LONG_PROMPT
    rates = card.long_rates if card.long_rates and is_long else card.rates
    spent = fresh * rates.input + output * rates.output + read * rates.cache_read + written * rates.cache_write
    return spent / 1_000_000
