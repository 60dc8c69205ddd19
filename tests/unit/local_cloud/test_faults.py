from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.faults import (
    Delay,
    Effect,
    Fail,
    Fault,
    FaultError,
    Hang,
    Malformed,
    Throttle,
    fault_as_document,
    parse_fault,
)
from local_cloud.faults.injection import ActiveFaults, TokenBucket
from tests.unit.local_cloud.conftest import Clock

DOCUMENT = {"operations": ["iot:AttachPolicy"]}

NAMES = st.text(alphabet="aZ09", min_size=1)
EFFECTS: st.SearchStrategy[Effect] = st.one_of(
    st.builds(Fail, st.text(alphabet="aZ0_.", min_size=1), st.integers(400, 599), st.text(alphabet="a\u00e9 \n")),
    st.builds(Throttle, st.floats(min_value=0.01, max_value=1e6)),
    st.builds(Delay, st.floats(min_value=0, max_value=86_400)),
    st.just(Hang()),
    st.just(Malformed()),
)
FAULTS = st.builds(
    Fault,
    st.lists(st.builds("{}:{}".format, st.text(alphabet="a9-", min_size=1), NAMES), min_size=1, max_size=3).map(tuple),
    EFFECTS,
    st.none() | st.integers(min_value=1),
)


@given(FAULTS)
def test_parse_fault_reads_what_fault_as_document_writes(fault: Fault) -> None:
    assert parse_fault(fault_as_document(fault)) == fault


def test_error_needs_only_a_code() -> None:
    assert parse_fault(DOCUMENT | {"error": {"code": "ThrottlingException"}}).effect == Fail("ThrottlingException", 400)


OPERATIONS = "allowed: a list of names such as iot:AttachPolicy"
EFFECTS_ALLOWED = "given; allowed: one of error, rate, delay, hang, malformed"
RATE = "allowed: a number of calls per second above 0"
SECONDS = "allowed: a number of seconds from 0 to 86400"
TIMES = "allowed: a whole number from 1, or nothing to affect all calls"
CODE = "allowed: the code of an AWS error such as ThrottlingException"
STATUS = "allowed: a whole number from 400 to 599"
FAULT_KEYS = "operations, times, error, rate, delay, hang, malformed"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], f"fault: [] given; allowed: an object with {FAULT_KEYS}"),
        ({"hang": True}, f"operations: None given; {OPERATIONS}"),
        ({"operations": [], "hang": True}, f"operations: [] given; {OPERATIONS}"),
        ({"operations": ["AttachPolicy"], "hang": True}, f"operations: ['AttachPolicy'] given; {OPERATIONS}"),
        ({"operations": "iot:AttachPolicy", "hang": True}, f"operations: 'iot:AttachPolicy' given; {OPERATIONS}"),
        (DOCUMENT, f"fault: no effect {EFFECTS_ALLOWED}"),
        (DOCUMENT | {"hang": True, "delay": 1}, f"fault: delay and hang {EFFECTS_ALLOWED}"),
        (DOCUMENT | {"color": 1, "hang": True}, f"'color': unknown key; allowed: {FAULT_KEYS}"),
        (DOCUMENT | {"rate": 0}, f"rate: 0 given; {RATE}"),
        (DOCUMENT | {"rate": True}, f"rate: True given; {RATE}"),
        (DOCUMENT | {"rate": float("inf")}, f"rate: inf given; {RATE}"),
        (DOCUMENT | {"rate": 10**400}, f"rate: {10**400} given; {RATE}"),
        (DOCUMENT | {"delay": -1}, f"delay: -1 given; {SECONDS}"),
        (DOCUMENT | {"delay": float("nan")}, f"delay: nan given; {SECONDS}"),
        (DOCUMENT | {"delay": "soon"}, f"delay: 'soon' given; {SECONDS}"),
        (DOCUMENT | {"hang": False}, "hang: False given; allowed: true"),
        (DOCUMENT | {"malformed": 1}, "malformed: 1 given; allowed: true"),
        (DOCUMENT | {"hang": True, "times": 0}, f"times: 0 given; {TIMES}"),
        (DOCUMENT | {"hang": True, "times": 1.5}, f"times: 1.5 given; {TIMES}"),
        (DOCUMENT | {"error": "Denied"}, "error: 'Denied' given; allowed: an object with code, status, message"),
        (DOCUMENT | {"error": {}}, f"code: None given; {CODE}"),
        (DOCUMENT | {"error": {"code": "a b"}}, f"code: 'a b' given; {CODE}"),
        (DOCUMENT | {"error": {"code": "A", "status": 200}}, f"status: 200 given; {STATUS}"),
        (DOCUMENT | {"error": {"code": "A", "status": 600}}, f"status: 600 given; {STATUS}"),
        (DOCUMENT | {"error": {"code": "A", "message": 1}}, "message: 1 given; allowed: text"),
        (DOCUMENT | {"error": {"code": "A", "why": 1}}, "'why': unknown key; allowed: code, status, message"),
    ],
)
def test_invalid_fault_error_names_key_value_and_allowed_values(document: Any, message: str) -> None:
    with pytest.raises(FaultError) as raised:
        parse_fault(document)
    assert str(raised.value) == message


ATTACH, DETACH = "iot:AttachPolicy", "iot:DetachPolicy"
RATES = st.floats(min_value=0.1, max_value=500)
ROUNDING = 1e-6


@pytest.fixture
def faults(clock: Clock) -> ActiveFaults:
    return ActiveFaults(clock)


def match(faults: ActiveFaults, operation: str) -> int | None:
    active = faults.match(operation)
    return active.number if active else None


@given(RATES, st.lists(st.floats(min_value=0, max_value=2), max_size=200))
def test_rate_limits_bursts_to_one_second(rate: float, pauses: list[float]) -> None:
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
    assert match(faults, ATTACH) == 1
    assert match(faults, DETACH) is None
    assert match(faults, "iot:AttachPolicyx") is None


def test_first_matching_fault_takes_effect(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((DETACH, ATTACH), Hang()), Fault((ATTACH,), Malformed())])
    assert match(faults, ATTACH) == first
    faults.clear(number=first)
    assert match(faults, ATTACH) == second


def test_exhausted_fault_is_skipped(faults: ActiveFaults) -> None:
    first, second = faults.set([Fault((ATTACH,), Hang(), times=2), Fault((ATTACH,), Malformed(), times=1)])
    assert [match(faults, ATTACH) for _ in range(4)] == [first, first, second, None]
    assert [each.hits for each in faults.listed()] == [2, 1]


def test_rate_that_is_not_exceeded_is_skipped(faults: ActiveFaults, clock: Clock) -> None:
    rate, late = faults.set([Fault((ATTACH,), Throttle(1)), Fault((ATTACH,), Delay(5))])
    assert [match(faults, ATTACH) for _ in range(2)] == [late, rate]
    clock.now += 1
    assert match(faults, ATTACH) == late


def test_operations_of_a_fault_share_its_rate(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH, DETACH), Throttle(1))])
    assert [match(faults, ATTACH), match(faults, DETACH)] == [None, 1]


def test_clearing_an_operation_keeps_other_faults(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang()), Fault((DETACH,), Fail("Denied"))])
    faults.clear(operation="")
    faults.clear(operation=ATTACH)
    assert [each.fault.operations for each in faults.listed()] == [(DETACH,)]
    faults.clear()
    assert faults.listed() == []


def test_clearing_an_exhausted_fault_ends_its_hanging_calls(faults: ActiveFaults) -> None:
    faults.set([Fault((ATTACH,), Hang(), times=1)])
    active = faults.match(ATTACH)
    assert active is not None
    assert not active.cleared.is_set()
    faults.clear(operation=ATTACH)
    assert active.cleared.is_set()
