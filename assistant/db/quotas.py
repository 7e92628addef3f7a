"""What the database's functions refuse since a plan does not allow it, as errors that say how things stand."""

from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

import msgspec

from assistant.errors import AssistantError, UnavailableError

MEBIBYTE: Final = 1024 * 1024

TURN_SECONDS: Final = 5
"""After which one of somebody's answers may well have ended."""


class Refusal(msgspec.Struct, frozen=True):
    """The facts of a refusal, as `private.refuse_usage` gives them."""

    resource: str
    used: int
    reserved: int
    limit: int
    tier: str
    renews_at: datetime | None

    @property
    def left(self) -> int:
        return max(self.limit - self.used - self.reserved, 0)


class QuotaExceededError(AssistantError):
    """A plan's limit. `refusal` has the figures that the sentence says."""

    status_code, code, title = 429, "quota_exceeded", "Limit of the plan reached"

    def __init__(self, refusal: Refusal, now: datetime) -> None:
        facts: dict[str, Any] = msgspec.to_builtins(refusal)
        super().__init__(_sentence(refusal), extra={"quota": facts | {"left": refusal.left}})
        self.refusal = refusal
        if refusal.renews_at is not None:
            self.retry_after = max(1, ceil((refusal.renews_at - now).total_seconds()))


class TooManyTurnsError(QuotaExceededError):
    """As many of somebody's questions are being answered as their plan allows at a time."""

    code, title = "too_many_turns", "Too many questions at once"
    retry_after = TURN_SECONDS


class InstallationStoppedError(UnavailableError):
    """Everybody together has used what the operator allows in a month."""

    code, title = "installation_stopped", "Stopped by the operator's limit"

    def __init__(self) -> None:
        super().__init__(
            "This installation has used what its operator allows for a month. No answers are given until an"
            " administrator lifts the stop; everything else works.",
            retry_after=3600,
        )


def as_refusal(detail: str | None, now: datetime | None = None) -> AssistantError:
    """The error for what `private.refuse_usage` raised."""
    refusal = msgspec.json.decode(detail or "", type=Refusal)
    if refusal.resource == "installation":
        return InstallationStoppedError()
    kind = TooManyTurnsError if refusal.resource == "turns" else QuotaExceededError
    return kind(refusal, now or datetime.now(UTC))


def _sentence(r: Refusal) -> str:
    match r.resource:
        case "turns":
            return (
                f"The mentor is still at work on {r.used:,} of your questions, as many at a time as the plan {r.tier}"
                " allows. Please wait until one is answered."
            )
        case "documents":
            return (
                f"The plan {r.tier} of this space's owner has room for {r.limit:,} documents, and {r.used:,} are there."
                " Delete some, or change the plan."
            )
        case "storage":
            return (
                f"The plan {r.tier} of this space's owner has room for {r.limit / MEBIBYTE:,.1f} MiB of text, and"
                f" {r.used / MEBIBYTE:,.1f} MiB are there. Delete some, or change the plan."
            )
        case _:
            aside = f", {r.reserved:,} are set aside for answers under way" if r.reserved else ""
            left = f"{r.left:,} are left, too few for this" if r.left else "none are left"
            return (
                f"The plan {r.tier} allows {r.limit:,} {r.resource} a month: {r.used:,} are used{aside}, {left}."
                f"{_renewal(r.renews_at)}"
            )


def _renewal(moment: datetime | None) -> str:
    if moment is None:
        return ""
    moment = moment.astimezone(UTC)
    return f" It renews on {moment.day} {moment:%B %Y}, 00:00 UTC."
