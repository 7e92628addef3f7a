"""Sentences in the languages that there are: `words/` has a file for each. Another language is another file."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

WORDS: Final = Path(__file__).parent / "words"
LANGUAGES: Final = tuple(sorted(path.stem for path in WORDS.glob("*.yaml")))
DEFAULT_LANGUAGE: Final = "en"


def choose_language(*tags: str | None) -> str:
    """The first of ours that one of these BCP-47 tags begins with, else English."""
    for tag in tags:
        primary = (tag or "").strip().partition("-")[0].lower()
        if primary in LANGUAGES:
            return primary
    return DEFAULT_LANGUAGE


def phrase(language: str, key: str) -> str:
    """The text of a dotted key, with its `{slots}`."""
    found: Any = _words(language)
    for part in key.split("."):
        found = found[part]
    return str(found)


@cache
def _words(language: str) -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load((WORDS / f"{language}.yaml").read_text("utf-8"))
    return words
