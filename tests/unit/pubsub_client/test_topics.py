"""Which topics and topic filters are well-formed, and which match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client._topics import check_topic, check_topic_filter, matches
from pubsub_client.exceptions import TopicError

levels = st.text("ab$", max_size=2)
topics = st.lists(levels, min_size=1, max_size=5).map("/".join).filter(bool)


@st.composite
def filters(draw: st.DrawFn) -> str:
    parts = draw(st.lists(levels | st.just("+"), min_size=0, max_size=5))
    if draw(st.booleans()) or not any(parts):
        parts.append("#")
    return "/".join(parts)


def oracle(topic_filter: str, topic: str) -> bool:
    """The specification's rules as one regular expression."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    if topic_filter == "#":
        return True
    parent = topic_filter.removesuffix("/#")
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in parent.split("/"))
    return re.fullmatch(pattern + ("(/.*)?" if parent != topic_filter else ""), topic) is not None


@given(filters(), topics)
def test_matching_follows_the_specification(topic_filter: str, topic: str) -> None:
    assert matches(topic_filter, topic) == oracle(topic_filter, topic)


@given(topics)
def test_a_topic_matches_itself(topic: str) -> None:
    assert matches(topic, topic)


@given(filters())
def test_what_is_well_formed_is_let_through(topic_filter: str) -> None:
    check_topic_filter(topic_filter)


# https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901242 (the examples of section 4.7)
@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/#", "sports", False),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("orders/#", "Orders/1", False),
    ],
)
def test_the_specifications_examples(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize("topic", ["", "a/#", "+/a", "a\0b", "\ud800", "a" * 65536])
def test_a_malformed_topic_is_refused(topic: str) -> None:
    with pytest.raises(TopicError):
        check_topic(topic)


@pytest.mark.parametrize("topic_filter", ["", "a/#/b", "a#", "a/b+", "++", "##", "a\0b", "\ud800"])
def test_a_malformed_topic_filter_is_refused(topic_filter: str) -> None:
    with pytest.raises(TopicError):
        check_topic_filter(topic_filter)


def test_a_shared_subscription_is_refused_because_its_messages_would_not_be_dispatched() -> None:
    with pytest.raises(TopicError, match="shared subscription"):
        check_topic_filter("$share/group/orders/#")
