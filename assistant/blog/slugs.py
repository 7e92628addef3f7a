"""The name of a post in its address: made from its title, in letters that every address may have."""

import re
import secrets
from collections.abc import Iterator
from typing import Final

from anyascii import anyascii

SLUG_PATTERN: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_SLUG: Final = 200
"""Of one that an author chooses."""

_MADE: Final = 80
"""Of one that is made."""

_NUMBERED: Final = 9
_LETTERS: Final = re.compile(r"[a-z0-9]+")
_SPELLED: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "æ": "ae", "ø": "oe"})
"""As the languages that have them spell these without them."""


def make_slug(title: str) -> str:
    """Whole words of it, at most 80 characters; `post` where it has no letters at all."""
    words = _LETTERS.findall(anyascii(title.lower().translate(_SPELLED)).lower().replace("'", ""))
    slug = "-".join(words)
    if len(slug) > _MADE:
        cut = slug[: _MADE + 1].rpartition("-")[0]
        slug = cut or slug[:_MADE]
    return slug or "post"


def candidates(title: str) -> Iterator[str]:
    """The slug, then with numbers, then with something that nobody else has."""
    slug = make_slug(title)
    yield slug
    for number in range(2, _NUMBERED + 1):
        yield f"{slug}-{number}"
    while True:
        yield f"{slug}-{secrets.token_hex(4)}"
