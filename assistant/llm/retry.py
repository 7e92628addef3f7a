"""When a failed call may be tried again: back-off, a circuit breaker, a budget. Rules only; clock and chance are given.

The three answer different questions. Back-off: when will *this* call try again? Budget: are retries as a whole still
few, so that they do not make an overload worse? Breaker: does it make sense to call at all?
Source: AWS Builders' Library, "Timeouts, retries, and backoff with jitter"; Google SRE Book, chapter 21.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite

Clock = Callable[[], float]
"""Seconds, monotonic."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter, within bounds that a waiting person accepts."""

    tries: int = 3
    """Calls in all, the first included."""
    total: float = 20.0
    """Seconds from the first call on, after which none is begun."""
    base: float = 0.5
    cap: float = 8.0

    def delay(self, tried: int, elapsed: float, chance: float, retry_after: float | None) -> float | None:
        """Seconds to wait after `tried` calls; None: give up.

        `chance` is uniform in 0…1. The provider's own wish is a lower bound, with the jitter on top of it:
        clients that were refused together should not come back together.
        """
        left = self.total - elapsed
        wish = retry_after or 0.0
        if tried >= self.tries or left <= 0 or wish > left:
            return None
        return min(wish + chance * min(self.cap, self.base * 2.0 ** (tried - 1)), left)


class CircuitBreaker:
    """Stops calls to a model that keeps failing; lets one through per `cooldown` to see whether it is back.

    A probe needs no release: one that hangs or is cancelled does not keep the next one from being sent, so that
    recovery is noticed within one cooldown and the time of one answer.
    """

    def __init__(self, clock: Clock, *, threshold: int = 5, cooldown: float = 5.0) -> None:
        self._clock = clock
        self._threshold = threshold
        self._cooldown = cooldown
        self._failures = 0
        self._next_probe = 0.0

    def admit(self) -> bool:
        """Whether a call may be made now. Counts as the probe where the breaker is open."""
        if self._failures < self._threshold:
            return True
        if self._clock() < self._next_probe:
            return False
        self._next_probe = self._clock() + self._cooldown
        return True

    def wait(self) -> float:
        """Seconds until a call will be admitted."""
        return max(0.0, self._next_probe - self._clock()) if self._failures >= self._threshold else 0.0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures == self._threshold:
            self._next_probe = self._clock() + self._cooldown


class RetryBudget:
    """Retries may add `ratio` to the calls, and a few more per minute, so that the only user of a quiet service
    gets theirs too. A token bucket of `floor` tokens: calls and time fill it, retries empty it."""

    def __init__(self, clock: Clock, *, ratio: float = 0.1, floor: float = 10.0, window: float = 60.0) -> None:
        self._clock = clock
        self._ratio = ratio
        self._floor = floor
        self._window = window
        self._tokens = floor
        self._filled_at = clock()

    def note_call(self) -> None:
        now = self._clock()
        earned = self._ratio + (now - self._filled_at) * self._floor / self._window
        self._tokens = min(self._floor, self._tokens + earned)
        self._filled_at = now

    def take(self) -> bool:
        """Whether one more retry is within the budget; takes it if so."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or a date); None where there is none that makes sense.

    `now` is the time of day in seconds since 1970.
    """
    if milliseconds := _number(headers.get("retry-after-ms")):
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return None if seconds is None else max(0.0, seconds)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if isfinite(number) else None
