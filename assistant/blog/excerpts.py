"""The beginning of a post as one plain sentence or two, for lists and feeds."""

import re
from typing import Final

EXCERPT_CHARACTERS: Final = 240
BEGINNING: Final = 2_000
"""Characters of the content that are looked at."""

_NOISE: Final = (
    (re.compile(r"^(```|~~~).*?(^\1|\Z)", re.DOTALL | re.MULTILINE), " "),  # code
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),  # pictures
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),  # links
    (re.compile(r"<[^<>]{0,300}>"), " "),  # HTML
    (re.compile(r"^\s{0,3}(#{1,6}\s+|>\s?|[-*+]\s+|\d{1,3}[.)]\s+)", re.MULTILINE), ""),  # headings, quotes, lists
    (re.compile(r"^\s*[-=*_]{3,}\s*$", re.MULTILINE), " "),  # lines
    (re.compile(r"(\*\*|__|\*|`)"), ""),  # emphasis
)


def make_excerpt(content: str) -> str:
    """What is left of the content's beginning without its marks, cut after a word."""
    text = content[:BEGINNING]
    for pattern, replacement in _NOISE:
        text = pattern.sub(replacement, text)
    text = " ".join(text.split())
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    return f"{text[:EXCERPT_CHARACTERS].rpartition(' ')[0] or text[:EXCERPT_CHARACTERS]}…"
