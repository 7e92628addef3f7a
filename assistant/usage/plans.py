"""Plans: what each tier may use, as plans/plans.yaml or the operator's own file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from assistant.accounts.subscriptions import Tier
from assistant.checked_yaml import read_checked
from assistant.llm.pricing import resolve_model
from assistant.resources import resource_dir

_UNITS: Final = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True, slots=True)
class Plan:
    """None: any number."""

    tier: Tier
    messages: int | None
    """In a calendar month (UTC), like `tokens`."""
    tokens: int | None
    documents: int | None
    """At any time, in the spaces that somebody owns, like `storage`."""
    storage: int | None
    """Bytes of their text."""
    turns: int | None
    """At a time."""
    models: frozenset[str] | None
    """Providers' ids; None: any."""

    def allows(self, model: str) -> bool:
        return self.models is None or resolve_model(model) in self.models


Plans = Mapping[Tier, Plan]


def load_plans(path: Path | None = None) -> Plans:
    """From `path`, or those of the package. Raises ConfigurationError, in one line with the file's line and field."""
    folder = resource_dir("plans")
    said = read_checked(path or folder / "plans.yaml", folder / "plans.schema.json")
    return {tier: _plan(tier, said["plans"][tier]) for tier in get_args(Tier)}


def _plan(tier: Tier, said: Mapping[str, Any]) -> Plan:
    models = said["models"]
    return Plan(
        tier=tier,
        messages=_limit(said["messages"]),
        tokens=_limit(said["tokens"]),
        documents=_limit(said["documents"]),
        storage=_limit(said["storage"]),
        turns=_limit(said["concurrent_turns"]),
        models=None if models == "any" else frozenset(resolve_model(model) for model in models),
    )


def _limit(said: int | str) -> int | None:
    if said == "unlimited":
        return None
    if isinstance(said, int):
        return said
    number, unit = said.split()
    return int(number) * _UNITS[unit]
