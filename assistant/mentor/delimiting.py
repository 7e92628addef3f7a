"""Text of others, between tags that it cannot imitate.

A turn has a random marker that is part of each tag's name, so a text that was written before cannot hold it; where one
does all the same, it is defaced. What is enclosed can be read back, which is how the offline mentor reads.
"""

import html
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TAG: Final = r"<{tag}-{marker}((?: [a-z_]+=\"[^\"]*\")*)>\n(.*?)\n</{tag}-{marker}>"
_WHOLE: Final = re.compile(r"<([a-z]+)-([0-9a-f]{8})((?: [a-z_]+=\"[^\"]*\")*)>\n(.*)\n</\1-\2>", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"([a-z_]+)=\"([^\"]*)\"")

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What people do not see but a model reads: controls, tags, direction marks, fillers, variation selectors and halves of
characters. The joiners of Persian, of Indic scripts and of emoji stay, as does the choice of an emoji's look."""

_CONTROL_TOKEN: Final = re.compile(
    r"<\|[\w-]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<[｜|][\w▁ ]{1,40}[｜|]>"
)
"""How chat templates of local models write the change of speaker. Their servers may read it so in any text."""


@dataclass(frozen=True, slots=True)
class Enclosed:
    """What stood between a pair of tags."""

    tag: str
    marker: str
    attributes: dict[str, str]
    text: str


def new_marker() -> str:
    """Eight hexadecimal digits that nobody can know beforehand."""
    return secrets.token_hex(4)


def enclose(tag: str, marker: str, text: str, **attributes: str | int | None) -> str:
    """`text`, not cleaned, between a pair of tags; attributes that are None are left out."""
    shown = "".join(f' {name}="{html.escape(str(value))}"' for name, value in attributes.items() if value is not None)
    return f"<{tag}-{marker}{shown}>\n{text}\n</{tag}-{marker}>"


def read_enclosed(text: str) -> Enclosed | None:
    """What `text` encloses, if it is one pair of tags from its first to its last character."""
    match = _WHOLE.fullmatch(text)
    return match and Enclosed(match[1], match[2], _attributes(match[3]), match[4])


def find_enclosed(tag: str, marker: str, text: str) -> Iterator[Enclosed]:
    """All pairs of this tag in `text`, in order."""
    pattern = _TAG.format(tag=re.escape(tag), marker=re.escape(marker))
    for match in re.finditer(pattern, text, re.DOTALL):
        yield Enclosed(tag, marker, _attributes(match[1]), match[2])


def _attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(text)}


def clean(text: str, marker: str) -> str:
    """`text` as a person would see it, without the marker and without anything that changes the speaker."""
    if not (text.isascii() and text.isprintable()):  # most titles are, and need no search
        text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if "<" in text or "[" in text:
        text = _CONTROL_TOKEN.sub(lambda token: "‹" + token[0][1:], text)
    return text.replace(marker, "•" * len(marker))


def clean_line(text: str, marker: str, limit: int) -> str:
    """The same on one line of at most `limit` characters."""
    line = " ".join(clean(text[: limit * 4], marker).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
