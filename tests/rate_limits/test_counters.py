"""The sliding window in this process, by a clock of the test's own."""

import math
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.rate_limits import counters
from backend.services.rate_limits.counters import WINDOW_SECONDS, InProcess

TENTHS = 10


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take_all(counter: InProcess, amount: int) -> int:
    """How many are taken at this moment."""
    taken = 0
    while counter.hit("k", amount).is_allowed:
        taken += 1
    return taken


def test_asking_alone_spends_nothing(clock: Clock) -> None:
    counter = InProcess(clock=clock)
    assert [counter.hit("k", 1, 0).is_allowed for _ in range(3)] == [True] * 3
    assert counter.hit("k", 1).is_allowed
    assert not counter.hit("k", 1, 0).is_allowed


def test_no_double_at_the_turn_of_a_minute(clock: Clock) -> None:
    counter = InProcess(clock=clock)
    clock.now = 20 * WINDOW_SECONDS - 0.1
    assert take_all(counter, 100) == 100
    clock.now += 0.2
    assert take_all(counter, 100) <= 1
    clock.now += WINDOW_SECONDS / 2
    assert 49 <= take_all(counter, 100) <= 51


def test_all_is_forgotten(clock: Clock) -> None:
    counter = InProcess(clock=clock)
    take_all(counter, 10)
    clock.now += 2 * WINDOW_SECONDS
    assert take_all(counter, 10) == 10


@given(
    amount=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(0, 90 * TENTHS), st.integers(1, 60)), min_size=1, max_size=30),
)
def test_at_most_twice_the_limit_in_any_minute_and_the_wait_is_true(amount: int, steps: list[tuple[int, int]]) -> None:
    """Whatever the rhythm. Whoever waits as long as was said is let in, and not 1 % of that sooner."""
    clock = Clock()
    counter = InProcess(clock=clock)
    taken: list[float] = []
    for pause, count in steps:
        clock.now += pause / TENTHS
        for _ in range(count):
            spent = counter.hit("k", amount)
            if spent.is_allowed:
                taken.append(clock.now)
                assert 0 <= spent.remaining < amount
        last_minute = [at for at in taken if at > clock.now - WINDOW_SECONDS]
        assert len(last_minute) <= 2 * amount
        if not (spent := counter.hit("k", amount, 0)).is_allowed:
            asked = clock.now
            assert 0 <= spent.seconds <= 2 * WINDOW_SECONDS
            clock.now = asked + spent.seconds * 0.99 - 0.001
            if clock.now > asked:
                assert not counter.hit("k", amount, 0).is_allowed
            clock.now = asked + math.ceil(spent.seconds + 0.001)
            assert counter.hit("k", amount, 0).is_allowed


def test_bounded_and_nobody_is_pushed_out(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of invented addresses neither fills the memory nor frees who has been counted."""
    monkeypatch.setattr(counters, "MAX_COUNTED", 1_000)
    counter = InProcess(clock=clock)
    take_all(counter, 5)
    for minute in range(3):
        clock.now = (20 + minute) * WINDOW_SECONDS
        for number in range(5_000):
            assert counter.hit(f"read:203.0.113.{number}", 5).is_allowed
        assert len(counter._now) == 1_000
        assert len(counter._before) <= 1_000
    counter = InProcess(clock=clock)
    take_all(counter, 5)
    for number in range(5_000):
        counter.hit(f"read:203.0.113.{number}", 5)
    assert not counter.hit("k", 5).is_allowed


def test_size() -> None:
    """As the comment at MAX_COUNTED says: two minutes of IPv6 networks."""
    key = "refused:2001:db8:1234:5678::/64"
    counted = {f"{key}{number}": 1 for number in range(counters.MAX_COUNTED)}
    bytes_in_all = 2 * (sys.getsizeof(counted) + sum(map(sys.getsizeof, counted)))
    assert bytes_in_all <= 20e6
