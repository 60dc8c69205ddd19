"""Which topics and topic filters are well-formed, and which match."""

from __future__ import annotations

from contextlib import suppress

import aiomqtt
import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from pubsub_client._messages import check_topic, check_topic_filter, matches
from pubsub_client.exceptions import TopicError

levels = st.sampled_from(["", "a", "b", "A", "ab", "ä", " ", "$", "$a", "$share"])
topics = st.lists(levels, min_size=1, max_size=5).map("/".join).filter(bool)


@st.composite
def filters_and_topics(draw: st.DrawFn) -> tuple[str, str]:
    """A topic, and a filter that is made from it level by level, so that about half of them match."""
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
def test_matching_agrees_with_paho(pair: tuple[str, str]) -> None:
    topic_filter, topic = pair
    expected = topic_matches_sub(topic_filter, topic)
    event("matches" if expected else "does not match")
    assert matches(topic_filter, topic) is expected


@given(filters_and_topics())
def test_matching_agrees_with_aiomqtt_but_for_topics_and_filters_that_begin_with_a_dollar(
    pair: tuple[str, str],
) -> None:
    topic_filter, topic = pair
    # aiomqtt lets a wildcard match such topics, against section 4.7.2, and takes $share off a filter (section 4.8.2).
    assume(not topic.startswith("$") and not topic_filter.startswith("$share"))
    assert matches(topic_filter, topic) is aiomqtt.Topic(topic).matches(topic_filter)


@given(topics)
def test_a_topic_matches_itself(topic: str) -> None:
    assert matches(topic, topic)


@given(st.text("ab/+#$", max_size=6))
def test_what_is_well_formed_agrees_with_aiomqtt(text: str) -> None:
    for check, form in ((check_topic, aiomqtt.Topic), (check_topic_filter, aiomqtt.Wildcard)):
        refused = expected = True
        with suppress(TopicError):
            check(text)
            refused = False
        with suppress(ValueError):
            form(text)
            expected = False
        assert refused is expected


@given(filters_and_topics())
def test_what_is_well_formed_is_let_through(pair: tuple[str, str]) -> None:
    topic_filter, topic = pair
    assume(not topic_filter.startswith("$share/"))
    check_topic_filter(topic_filter)
    check_topic(topic)


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
