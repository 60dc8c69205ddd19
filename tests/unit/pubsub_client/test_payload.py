"""Payloads on their way out and in."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client._messages import OCTETS, Packet, decode, encode
from pubsub_client.exceptions import PayloadError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


def decoded(payload: bytes, content_type: str | None = None) -> object:
    return decode(Packet("t", payload, 1, False, content_type)).payload


@given(json_values)
def test_a_json_value_survives_the_way(value: object) -> None:
    assert decoded(encode(value)) == value


@given(st.binary())
def test_bytes_survive_the_way_even_if_they_happen_to_be_json(payload: bytes) -> None:
    assert encode(payload) == payload
    assert decoded(payload, OCTETS) == payload


@given(st.binary())
def test_whatever_arrives_is_decoded_or_flagged(payload: bytes) -> None:
    value = decoded(payload)
    is_json = not isinstance(value, bytes)
    assert is_json or value == payload


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{", b"NaN", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_arrives_as_bytes(payload: bytes) -> None:
    assert decoded(payload) == payload


def test_text_is_sent_in_utf_8() -> None:
    assert encode({"city": "Zürich"}) == '{"city":"Zürich"}'.encode()


@pytest.mark.parametrize(
    ("payload", "path", "problem"),
    [
        ({"orders": [{}, {"when": datetime(2026, 1, 1, tzinfo=UTC)}]}, "$.orders[1].when", "datetime"),
        ({"a": {1, 2}}, "$.a", "set"),
        ([1.0, math.inf], "$[1]", "inf"),
        ((b"bytes", 1), "$[0]", "bytes"),
        ({"a": {(1, 2): 3}}, "$.a", "key of type tuple"),
        ({"a": ["\ud800"]}, "$.a[0]", "surrogate"),
        ({"a": {"\ud800": 1}}, "$.a", "surrogate"),
        (object(), "$", "object"),
    ],
)
def test_what_is_not_json_is_refused_with_the_path_to_it(payload: object, path: str, problem: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        encode(payload)
    assert refusal.value.path == path
    assert problem in str(refusal.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: dict[str, object] = {}
    value["self"] = [value]
    with pytest.raises(PayloadError, match="contains itself") as refusal:
        encode(value)
    assert refusal.value.path == "$.self[0]"


def test_a_value_that_is_used_twice_does_not_contain_itself() -> None:
    shared = [1]
    assert json.loads(encode([shared, shared])) == [[1], [1]]


def test_an_error_of_a_payload_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        encode(object())
