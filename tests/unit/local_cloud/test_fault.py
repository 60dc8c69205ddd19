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
def test_what_is_written_is_read_again(fault: Fault) -> None:
    assert parse_fault(fault_as_document(fault)) == fault


def test_an_error_needs_a_code_alone() -> None:
    assert parse_fault(ATTACH | {"error": {"code": "ThrottlingException"}}).effect == Fail("ThrottlingException", 400)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "fault: allowed is an object with operations and what happens to them"),
        ({"hang": True}, "operations: allowed is a list of names such as iot:AttachPolicy"),
        ({"operations": [], "hang": True}, "operations: allowed is a list of names such as iot:AttachPolicy"),
        (
            {"operations": ["AttachPolicy"], "hang": True},
            "operations: allowed is a list of names such as iot:AttachPolicy",
        ),
        (
            {"operations": "iot:AttachPolicy", "hang": True},
            "operations: allowed is a list of names such as iot:AttachPolicy",
        ),
        (ATTACH, "fault: allowed is exactly one of error, rate, delay, hang, malformed"),
        (
            ATTACH | {"hang": True, "delay": 1},
            "delay and hang: allowed is exactly one of error, rate, delay, hang, malformed",
        ),
        (
            ATTACH | {"color": 1, "hang": True},
            "'color': no such key; allowed are operations, times, error, rate, delay, hang, malformed",
        ),
        (ATTACH | {"rate": 0}, "rate: allowed is a number of calls a second above 0"),
        (ATTACH | {"rate": True}, "rate: allowed is a number of calls a second above 0"),
        (ATTACH | {"rate": float("inf")}, "rate: allowed is a number of calls a second above 0"),
        (ATTACH | {"rate": 10**400}, "rate: allowed is a number of calls a second above 0"),
        (ATTACH | {"delay": -1}, "delay: allowed is a number of seconds from 0 to 86400"),
        (ATTACH | {"delay": float("nan")}, "delay: allowed is a number of seconds from 0 to 86400"),
        (ATTACH | {"delay": "soon"}, "delay: allowed is a number of seconds from 0 to 86400"),
        (ATTACH | {"hang": False}, "hang: allowed is true"),
        (ATTACH | {"malformed": 1}, "malformed: allowed is true"),
        (
            ATTACH | {"hang": True, "times": 0},
            "times: allowed is a whole number from 1, or nothing for until it is cleared",
        ),
        (
            ATTACH | {"hang": True, "times": 1.5},
            "times: allowed is a whole number from 1, or nothing for until it is cleared",
        ),
        (ATTACH | {"error": "Denied"}, "error: allowed is an object with code, status and message"),
        (ATTACH | {"error": {}}, "code: allowed is the code of an AWS error such as ThrottlingException"),
        (
            ATTACH | {"error": {"code": "a b"}},
            "code: allowed is the code of an AWS error such as ThrottlingException",
        ),
        (ATTACH | {"error": {"code": "A", "status": 200}}, "status: allowed is a whole number from 400 to 599"),
        (ATTACH | {"error": {"code": "A", "status": 600}}, "status: allowed is a whole number from 400 to 599"),
        (ATTACH | {"error": {"code": "A", "message": 1}}, "message: allowed is text"),
        (ATTACH | {"error": {"code": "A", "why": 1}}, "'why': no such key; allowed are code, status, message"),
    ],
)
def test_a_refusal_names_the_key_and_what_is_allowed(document: Any, told: str) -> None:
    with pytest.raises(FaultError) as refused:
        parse_fault(document)
    assert str(refused.value) == told
