"""The rules for trying again, by themselves."""

from dataclasses import dataclass

import pytest

from assistant.llm.retry import Backoff, CircuitBreaker, RetryBudget, parse_retry_after


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_jitter_is_full_and_doubles_up_to_its_cap() -> None:
    backoff = Backoff(tries=99, total=1_000.0)

    assert [backoff.delay(tried, 0.0, 1.0, None) for tried in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert backoff.delay(1, 0.0, 0.0, None) == 0.0


def test_there_is_an_end_to_tries_and_to_time() -> None:
    backoff = Backoff(tries=3, total=20.0)

    assert backoff.delay(2, 0.0, 1.0, None) is not None
    assert backoff.delay(3, 0.0, 1.0, None) is None
    assert backoff.delay(1, 20.0, 1.0, None) is None


def test_the_providers_wish_is_a_lower_bound_within_the_time_left() -> None:
    backoff = Backoff(tries=3, total=20.0)

    assert backoff.delay(1, 5.0, 1.0, 10.0) == 10.5
    assert backoff.delay(1, 5.0, 1.0, 15.0) == 15.0
    assert backoff.delay(1, 5.0, 0.0, 15.1) is None


def test_a_breaker_opens_after_consecutive_failures_only(clock: Clock) -> None:
    breaker = CircuitBreaker(clock, threshold=3)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        outcome()
    assert breaker.admit()
    assert breaker.wait() == 0.0

    breaker.failed()

    assert not breaker.admit()
    assert breaker.wait() == 5.0


def test_an_open_breaker_lets_one_probe_through_per_cooldown_also_if_none_reports_back(clock: Clock) -> None:
    breaker = CircuitBreaker(clock, threshold=1, cooldown=5.0)
    breaker.failed()

    admitted = []
    for _ in range(30):
        clock.now += 1.0
        admitted.append(breaker.admit())

    assert sum(admitted) == 6
    breaker.succeeded()
    assert all(breaker.admit() for _ in range(9))
    assert breaker.wait() == 0.0


def test_late_failures_of_calls_under_way_do_not_put_the_probe_off(clock: Clock) -> None:
    breaker = CircuitBreaker(clock, threshold=2, cooldown=5.0)
    for _ in range(100):
        breaker.failed()
        clock.now += 0.125

    assert breaker.admit()


def test_a_quiet_service_may_retry_and_a_busy_one_a_tenth_of_its_calls(clock: Clock) -> None:
    budget = RetryBudget(clock, ratio=0.1, floor=10.0, window=60.0)
    assert sum(budget.take() for _ in range(50)) == 10

    taken = 0
    for _ in range(1_000):
        budget.note_call()
        taken += budget.take()
    assert 95 <= taken <= 100

    clock.now += 60.0
    budget.note_call()
    assert sum(budget.take() for _ in range(50)) == 10


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_is_read_in_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, now=100.0) == seconds
