from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.faults import Delay, Fail, Fault, Hang, Malformed, Throttle
from local_cloud.faults.injection import ActiveFaults, TokenBucket
from tests.unit.local_cloud.conftest import Clock

ATTACH, DETACH = "iot:AttachPolicy", "iot:DetachPolicy"
RATES = st.floats(min_value=0.1, max_value=500)
# Fine enough that rounding does not matter beside it.
ROUNDING = 1e-6


@pytest.fixture
def faults(clock: Clock) -> ActiveFaults:
    return ActiveFaults(clock)


def met(faults: ActiveFaults, operation: str) -> int | None:
    active = faults.match(operation)
    return active.number if active else None


@given(RATES, st.lists(st.floats(min_value=0, max_value=2), max_size=200))
def test_no_more_pass_than_the_rate_and_one_seconds_burst(rate: float, pauses: list[float]) -> None:
    bucket, now, passed = TokenBucket(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
        assert passed <= max(1.0, rate) + rate * now + ROUNDING


@given(RATES, st.integers(1, 100))
def test_calls_at_the_rate_all_pass(rate: float, count: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    assert all(bucket.take(each / rate * (1 + ROUNDING)) for each in range(count))


def test_a_call_meets_a_fault_of_its_operation_alone(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang())])
    assert met(faults, ATTACH) == 1
    assert met(faults, DETACH) is None
    assert met(faults, "iot:AttachPolicyx") is None


def test_the_first_that_matches_decides(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((DETACH, ATTACH), Hang()), Fault((ATTACH,), Malformed())])
    assert met(faults, ATTACH) == first
    faults.clear(number=first)
    assert met(faults, ATTACH) == second


def test_after_so_many_times_the_next_decides(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((ATTACH,), Hang(), times=2), Fault((ATTACH,), Malformed(), times=1)])
    assert [met(faults, ATTACH) for _ in range(4)] == [first, first, second, None]
    assert [each.hits for each in faults.listed()] == [2, 1]


def test_a_rate_with_room_lets_the_next_decide(faults: ActiveFaults, clock: Clock) -> None:
    rate, late = faults.set([Fault((ATTACH,), Throttle(1)), Fault((ATTACH,), Delay(5))])
    assert [met(faults, ATTACH) for _ in range(2)] == [late, rate]
    clock.now += 1
    assert met(faults, ATTACH) == late


def test_operations_of_one_fault_share_its_rate(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH, DETACH), Throttle(1))])
    assert [met(faults, ATTACH), met(faults, DETACH)] == [None, 1]


def test_clearing_an_operation_leaves_the_others(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang()), Fault((DETACH,), Fail("Denied"))])
    faults.clear(operation="")
    faults.clear(operation=ATTACH)
    assert [each.fault.operations for each in faults.listed()] == [(DETACH,)]
    faults.clear()
    assert faults.listed() == []


def test_clearing_ends_what_hangs_in_a_fault_that_has_happened_often_enough(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang(), times=1)])
    active = faults.match(ATTACH)
    assert active is not None
    assert not active.cleared.is_set()
    faults.clear(operation=ATTACH)
    assert active.cleared.is_set()
