"""Claims held against the tools that were executed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from assistant.mentor.claims.detection import Claim
from assistant.mentor.claims.vocabulary import Kind, Object

_SAYS: Final[Mapping[str, frozenset[Kind]]] = {
    "create": frozenset({"created", "changed"}),
    "add": frozenset({"created", "changed"}),
    # To put a task on Friday, or to note that a module is done, is a change that is told as something created.
    "update": frozenset({"created", "changed", "completed", "deleted"}),
    "delete": frozenset({"deleted"}),
}
"""What a tool whose name begins so can be told as. Any other can be told as anything."""

_OBJECTS: Final[frozenset[Object]] = frozenset({"goal", "task", "module", "progress", "document"})
"""As they stand in the names of tools."""


def unbacked(claims: Sequence[Claim], executed: Sequence[str]) -> list[Claim]:
    """The claims that no executed tool bears out, in order; `executed` has a tool's name for each time.

    A claim that names no object is borne out by anything that was done, one of several things by as many executions.
    """
    alike: dict[tuple[Kind, Object], list[Claim]] = defaultdict(list)
    for claim in claims:
        alike[claim.kind, claim.object].append(claim)
    missing = {key for key, group in alike.items() if _backing(key, executed) < _number(group)}
    return [claim for claim in claims if (claim.kind, claim.object) in missing]


def _number(group: Sequence[Claim]) -> int:
    """How many things are said to be done: the most that one claim names, or the titles of all."""
    titles = {" ".join(title.casefold().split()) for claim in group for title in claim.titles}
    return max(len(titles), *(claim.count for claim in group), 1)


def _backing(key: tuple[Kind, Object], executed: Sequence[str]) -> int:
    kind, thing = key
    return sum(_can_be_told(tool, kind, thing) for tool in executed)


def _can_be_told(tool: str, kind: Kind, thing: Object) -> bool:
    verb, _, rest = tool.partition("_")
    says = _SAYS.get(verb)
    if kind != "done" and says is not None and kind not in says:
        return thing == "it" and kind != "deleted"  # what `it` is has not been said, nor what was done with it
    objects = _OBJECTS.intersection(rest.split("_"))
    return thing == "it" or (thing in objects if objects else thing == "other")
