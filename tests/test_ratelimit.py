"""Token buckets: a burst, then one at a time, and no more memory than there are recent keys."""

import pytest

from assistant import ratelimit
from assistant.errors import TooManyRequestsError
from assistant.ratelimit import TokenBuckets


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def attempts(buckets: TokenBuckets, key: str = "a") -> int:
    """How many are let through at once."""
    for count in range(1000):
        try:
            buckets.take(key)
        except TooManyRequestsError:
            return count
    raise AssertionError("no limit")


def test_a_burst_then_one_per_interval() -> None:
    clock = Clock()
    buckets = TokenBuckets(burst=5, interval=10, clock=clock)
    assert attempts(buckets) == 5
    clock.now += 9.9
    assert attempts(buckets) == 0
    clock.now += 0.1
    assert attempts(buckets) == 1
    clock.now += 30
    assert attempts(buckets) == 3
    clock.now += 1000
    assert attempts(buckets) == 5
    assert attempts(buckets, "somebody else") == 5


def test_who_is_refused_is_told_when_to_come_back_and_can_then() -> None:
    clock = Clock()
    buckets = TokenBuckets(burst=1, interval=7.5, clock=clock)
    buckets.take("a")
    clock.now += 0.2
    with pytest.raises(TooManyRequestsError) as refusal:
        buckets.take("a")
    assert refusal.value.retry_after == 8
    clock.now += refusal.value.retry_after
    buckets.take("a")


def test_attempts_that_are_refused_do_not_put_it_off() -> None:
    clock = Clock()
    buckets = TokenBuckets(burst=1, interval=10, clock=clock)
    buckets.take("a")
    for _ in range(100):
        with pytest.raises(TooManyRequestsError):
            buckets.take("a")
    clock.now += 10
    buckets.take("a")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MAX_KEYS", 10)
    buckets = TokenBuckets(burst=1, interval=10, clock=Clock())
    for n in range(1000):
        buckets.take(f"key {n}")
    assert len(buckets._full_at) == 10
