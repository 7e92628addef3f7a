"""How often somebody may do something: token buckets in this process's memory."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import Final

from assistant.errors import TooManyRequestsError

MAX_KEYS: Final = 50_000
"""The keys that were used longest ago are forgotten first; by then their buckets are full again, or nearly."""


class TokenBuckets:
    """`burst` at once per key, then one per `interval` seconds."""

    def __init__(self, *, burst: int, interval: float, clock: Callable[[], float] = monotonic) -> None:
        self._burst = burst
        self._interval = interval
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> None:
        """Raises TooManyRequestsError, which says when the next one is there."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key, now)) + self._interval
        wait = full_at - now - self._burst * self._interval
        if wait > 1e-9:
            raise TooManyRequestsError("Too many attempts; please wait a little.", retry_after=ceil(wait))
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > MAX_KEYS:
            self._full_at.popitem(last=False)
