"""Topics, topic filters and payloads."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, datetime

import aiomqtt
import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from pubsub_client._messages import OCTETS, Message, Packet, check_topic, check_topic_filter, decode, encode, matches
from pubsub_client.exceptions import PayloadError, TopicError

levels = st.sampled_from(["", "a", "b", "A", "ab", "ä", " ", "$", "$a", "$share"])
topics = st.lists(levels, min_size=1, max_size=5).map("/".join).filter(bool)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


@st.composite
def filters_and_topics(draw: st.DrawFn) -> tuple[str, str]:
    """A topic, and a filter derived from it level by level, so that about half of them match."""
    topic = draw(topics)
    wanted = []
    for level in topic.split("/"):
        kind = draw(st.sampled_from(["same", "same", "any", "any", "other"]))
        wanted.append({"same": level, "any": "+", "other": draw(levels)}[kind])
    match draw(st.sampled_from(["as long", "as long", "shorter", "longer", "open", "parent's"])):
        case "shorter":
            wanted.pop()
        case "longer":
            wanted.append(draw(levels))
        case "open":
            wanted[draw(st.integers(0, len(wanted) - 1)) :] = ["#"]
        case "parent's":
            wanted.append("#")
    topic_filter = "/".join(wanted)
    assume(topic_filter)
    return topic_filter, topic


@given(filters_and_topics())
@example(("#", "$SYS/monitor"))
@example(("+/monitor", "$SYS/monitor"))
@example(("a/#", "a"))
def test_topic_matching_agrees_with_paho(pair: tuple[str, str]) -> None:
    topic_filter, topic = pair
    expected = topic_matches_sub(topic_filter, topic)
    event("matches" if expected else "does not match")
    assert matches(topic_filter, topic) is expected


# https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901242 (the examples of section 4.7)
@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sports", False),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("+", "/finance", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("orders/#", "Orders/1", False),
    ],
)
def test_topic_matching_follows_the_specification(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@given(st.text("ab/+#$", max_size=6))
def test_topic_syntax_agrees_with_aiomqtt(text: str) -> None:
    for check, form in ((check_topic, aiomqtt.Topic), (check_topic_filter, aiomqtt.Wildcard)):
        rejected = expected = True
        with suppress(TopicError):
            check(text)
            rejected = False
        with suppress(ValueError):
            form(text)
            expected = False
        assert rejected is expected


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "++", "a\0b", "\ud800", "a" * 65536])
def test_malformed_topic_is_rejected(text: str) -> None:
    for check in (check_topic, check_topic_filter):
        with pytest.raises(TopicError):
            check(text)


def test_shared_subscription_is_rejected() -> None:
    with pytest.raises(TopicError, match="shared subscription"):
        check_topic_filter("$share/group/orders/#")


def decoded(payload: bytes, content_type: str | None = None) -> Message:
    return decode(Packet("t", payload, 1, retain=False, content_type=content_type))


@given(json_values)
def test_json_payload_survives_encoding(value: object) -> None:
    assert decoded(encode(value)).payload == value


@given(st.binary())
def test_bytes_payload_survives_even_if_it_is_json(payload: bytes) -> None:
    assert decoded(encode(payload), OCTETS).payload == payload


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{", b"NaN", b"[" * 100_000, b"9" * 5000])
def test_payload_that_is_not_json_is_received_as_bytes(payload: bytes) -> None:
    message = decoded(payload)
    assert (message.payload, message.is_json) == (payload, False)


def test_received_message_has_the_properties_of_its_delivery() -> None:
    assert decode(Packet("a", b'{"a":1}', 1, retain=True)) == Message("a", {"a": 1}, qos=1, retain=True)


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
    ],
)
def test_payload_error_names_the_path(payload: object, path: str, problem: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        encode(payload)
    assert refusal.value.path == path
    assert problem in str(refusal.value)


def test_payload_that_contains_itself_is_rejected() -> None:
    value: dict[str, object] = {}
    value["self"] = [value]
    with pytest.raises(PayloadError, match="contains itself") as refusal:
        encode(value)
    assert refusal.value.path == "$.self[0]"


def test_payload_may_use_a_value_twice() -> None:
    shared = [1]
    assert json.loads(encode([shared, shared])) == [[1], [1]]
