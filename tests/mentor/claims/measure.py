"""How well claims are found: precision and recall over labelled sentences, by language.

A sentence counts as found if any claim is found in it; `same` says how often kind and object are as labelled, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from assistant.mentor.claims.detection import Claim, find_claims

Half = Literal["development", "held_out"]

LANGUAGES: Final = ("en", "de", "es", "fr")


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the labelled set."""

    language: str
    text: str
    claims: list[str]
    """`kind object` of each, or `done`."""
    case: str | None = None
    """Why it is none."""
    asked: bool = False
    """The answer is to a request to act."""


@dataclass
class Score:
    """Counts of sentences."""

    found: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    same: int = 0
    total: int = 0

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + len(self.wrong))

    @property
    def recall(self) -> float:
        return self.found / max(1, self.found + len(self.missed))


def load(half: Half) -> list[Row]:
    lines = (Path(__file__).parent / f"{half}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Row) for line in lines]


def measure(rows: Sequence[Row]) -> dict[str, Score]:
    """The score of each language, and under `all` that of all together."""
    scores = {name: Score() for name in (*LANGUAGES, "all")}
    for row in rows:
        found = find_claims(row.text, asked=row.asked)
        for score in (scores[row.language], scores["all"]):
            _count(score, row, found)
    return scores


def _count(score: Score, row: Row, found: Sequence[Claim]) -> None:
    score.total += 1
    if found and row.claims:
        score.found += 1
        score.same += {_label(claim) for claim in found} >= set(row.claims)
    elif found:
        score.wrong.append(row.text)
    elif row.claims:
        score.missed.append(row.text)


def _label(claim: Claim) -> str:
    return "done" if claim.kind == "done" else f"{claim.kind} {claim.object}"
