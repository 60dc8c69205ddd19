from __future__ import annotations

import pytest

from attachment.pace import Pace


class Clock:
    """Time that passes only by waiting, and by what a test says the calls take."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(4, 8, clock, clock.sleep)


def _seconds_of(calls: int, pace: Pace, clock: Clock) -> float:
    started = clock.now
    for _ in range(calls):
        pace.wait()
    return clock.now - started


def test_alone_it_uses_the_whole_budget_and_no_more(pace: Pace, clock: Clock) -> None:
    assert _seconds_of(81, pace, clock) == 10


def test_the_first_call_waits_for_nothing(pace: Pace, clock: Clock) -> None:
    assert _seconds_of(1, pace, clock) == 0


def test_throttled_it_keeps_to_its_own_part_for_a_while(pace: Pace, clock: Clock) -> None:
    pace.wait()
    pace.throttled()
    assert _seconds_of(8, pace, clock) == 2
    assert _seconds_of(8, pace, clock) == 1


def test_throttled_again_and_again_it_never_takes_more_than_its_own_part(pace: Pace, clock: Clock) -> None:
    pace.wait()
    started = clock.now
    for _ in range(40):
        pace.throttled()
        pace.wait()
    assert clock.now - started == 10


def test_time_that_went_by_is_not_made_up_for_at_once(pace: Pace, clock: Clock) -> None:
    pace.wait()
    clock.sleep(60)
    assert _seconds_of(9, pace, clock) == 1
