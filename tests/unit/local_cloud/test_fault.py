from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.faults import Delay, Effect, Fail, Fault, FaultError, Hang, Malformed, Throttle
from local_cloud.faults.fault import fault_as_document, parse_fault

ATTACH = {"operations": ["iot:AttachPolicy"]}

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
def test_fault_is_read_as_it_was_written(fault: Fault) -> None:
    assert parse_fault(fault_as_document(fault)) == fault


def test_error_needs_only_a_code() -> None:
    assert parse_fault(ATTACH | {"error": {"code": "ThrottlingException"}}).effect == Fail("ThrottlingException", 400)


OPERATIONS = "operations: allowed is a list of names such as iot:AttachPolicy"
ONE_OF = "allowed is exactly one of error, rate, delay, hang, malformed"
RATE = "rate: allowed is a number of calls a second above 0"
DELAY = "delay: allowed is a number of seconds from 0 to 86400"
TIMES = "times: allowed is a whole number from 1, or nothing for until it is cleared"
CODE = "code: allowed is the code of an AWS error such as ThrottlingException"
STATUS = "status: allowed is a whole number from 400 to 599"
KEYS = "no such key; allowed are"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "fault: allowed is an object with operations and what happens to them"),
        ({"hang": True}, OPERATIONS),
        ({"operations": [], "hang": True}, OPERATIONS),
        ({"operations": ["AttachPolicy"], "hang": True}, OPERATIONS),
        ({"operations": "iot:AttachPolicy", "hang": True}, OPERATIONS),
        (ATTACH, f"fault: {ONE_OF}"),
        (ATTACH | {"hang": True, "delay": 1}, f"delay and hang: {ONE_OF}"),
        (
            ATTACH | {"color": 1, "hang": True},
            f"'color': {KEYS} operations, times, error, rate, delay, hang, malformed",
        ),
        (ATTACH | {"rate": 0}, RATE),
        (ATTACH | {"rate": True}, RATE),
        (ATTACH | {"rate": float("inf")}, RATE),
        (ATTACH | {"rate": 10**400}, RATE),
        (ATTACH | {"delay": -1}, DELAY),
        (ATTACH | {"delay": float("nan")}, DELAY),
        (ATTACH | {"delay": "soon"}, DELAY),
        (ATTACH | {"hang": False}, "hang: allowed is true"),
        (ATTACH | {"malformed": 1}, "malformed: allowed is true"),
        (ATTACH | {"hang": True, "times": 0}, TIMES),
        (ATTACH | {"hang": True, "times": 1.5}, TIMES),
        (ATTACH | {"error": "Denied"}, "error: allowed is an object with code, status and message"),
        (ATTACH | {"error": {}}, CODE),
        (ATTACH | {"error": {"code": "a b"}}, CODE),
        (ATTACH | {"error": {"code": "A", "status": 200}}, STATUS),
        (ATTACH | {"error": {"code": "A", "status": 600}}, STATUS),
        (ATTACH | {"error": {"code": "A", "message": 1}}, "message: allowed is text"),
        (ATTACH | {"error": {"code": "A", "why": 1}}, f"'why': {KEYS} code, status, message"),
    ],
)
def test_invalid_fault_error_names_the_key_and_what_is_allowed(document: Any, told: str) -> None:
    with pytest.raises(FaultError) as refused:
        parse_fault(document)
    assert str(refused.value) == told
