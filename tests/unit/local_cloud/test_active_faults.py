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
def test_rate_allows_no_more_than_a_burst_of_one_second(rate: float, pauses: list[float]) -> None:
    bucket, now, passed = TokenBucket(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
        assert passed <= max(1.0, rate) + rate * now + ROUNDING


@given(RATES, st.integers(1, 100))
def test_rate_allows_calls_at_that_rate(rate: float, count: int) -> None:
    bucket = TokenBucket(rate, 0.0)
    assert all(bucket.take(each / rate * (1 + ROUNDING)) for each in range(count))


def test_fault_affects_only_its_operations(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang())])
    assert met(faults, ATTACH) == 1
    assert met(faults, DETACH) is None
    assert met(faults, "iot:AttachPolicyx") is None


def test_first_matching_fault_decides(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((DETACH, ATTACH), Hang()), Fault((ATTACH,), Malformed())])
    assert met(faults, ATTACH) == first
    faults.clear(number=first)
    assert met(faults, ATTACH) == second


def test_next_fault_decides_after_so_many_times(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((ATTACH,), Hang(), times=2), Fault((ATTACH,), Malformed(), times=1)])
    assert [met(faults, ATTACH) for _ in range(4)] == [first, first, second, None]
    assert [each.hits for each in faults.listed()] == [2, 1]


def test_next_fault_decides_while_a_rate_has_room(faults: ActiveFaults, clock: Clock) -> None:
    rate, late = faults.set([Fault((ATTACH,), Throttle(1)), Fault((ATTACH,), Delay(5))])
    assert [met(faults, ATTACH) for _ in range(2)] == [late, rate]
    clock.now += 1
    assert met(faults, ATTACH) == late


def test_operations_of_a_fault_share_its_rate(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH, DETACH), Throttle(1))])
    assert [met(faults, ATTACH), met(faults, DETACH)] == [None, 1]


def test_clearing_an_operation_keeps_other_faults(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang()), Fault((DETACH,), Fail("Denied"))])
    faults.clear(operation="")
    faults.clear(operation=ATTACH)
    assert [each.fault.operations for each in faults.listed()] == [(DETACH,)]
    faults.clear()
    assert faults.listed() == []


def test_clearing_ends_calls_that_hang_in_an_exhausted_fault(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang(), times=1)])
    active = faults.match(ATTACH)
    assert active is not None
    assert not active.cleared.is_set()
    faults.clear(operation=ATTACH)
    assert active.cleared.is_set()
