"""How many tokens a text has, roughly."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

CHARACTERS_PER_TOKEN: Final = 3.5
"""English prose has about four, German and code about three; budgets had better be a little too careful."""

BLOCK_TOKENS: Final = 6
"""What a message or a content block costs beside its text."""


def estimate_tokens(characters: int) -> int:
    """Tokens of a text with so many characters, rounded up. An estimate: only the provider counts exactly."""
    return -int(-characters // CHARACTERS_PER_TOKEN)


def text_tokens(text: str) -> int:
    """The same for a text. Counted in bytes: a character outside of ASCII is rarely less than half a token."""
    return estimate_tokens(len(text.encode("utf-8", "surrogatepass")))


def content_tokens(content: str | Sequence[Mapping[str, Any]]) -> int:
    """The same for a message's content or a list of blocks, of whichever kind."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return sum(BLOCK_TOKENS + _block_tokens(block) for block in blocks)


def _block_tokens(block: Mapping[str, Any]) -> int:
    if block.get("type") == "text":
        return text_tokens(str(block.get("text", "")))
    return estimate_tokens(len(msgspec.json.encode(block)))
