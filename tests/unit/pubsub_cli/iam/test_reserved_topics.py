"""What clients may do with AWS IoT's own topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.iam.reserved_topics import Use, allowed_use


@given(st.text(min_size=1).filter(lambda topic: not topic.startswith("$")))
def test_a_topic_without_a_dollar_is_free(topic: str) -> None:
    assert allowed_use(topic) is Use.BOTH


# https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
@pytest.mark.parametrize(
    ("topic", "use"),
    [
        ("$aws/things/lamp/shadow/update", Use.BOTH),
        ("$aws/things/lamp/shadow/name/night/get", Use.BOTH),
        ("$aws/things/lamp/shadow/update/delta", Use.SUBSCRIBE),
        ("$aws/things/lamp/shadow/name/night/delete/rejected", Use.SUBSCRIBE),
        ("$aws/rules/a_rule/orders/1", Use.PUBLISH),
        ("$aws/events/presence/connected/me", Use.SUBSCRIBE),
        ("$aws/things/lamp/jobs/7/update", Use.PUBLISH),
        ("$aws/things/lamp/jobs/7/update/accepted", Use.SUBSCRIBE),
        ("$aws/things/lamp/jobs/notify-next", Use.SUBSCRIBE),
        ("$aws/things/lamp/streams/s/get/json", Use.PUBLISH),
        ("$aws/things/lamp/streams/s/data/json", Use.SUBSCRIBE),
        ("$aws/orders", Use.NOTHING),
        ("$aws/things/lamp/shadow", Use.NOTHING),
        ("$orders/1", Use.NOTHING),
        ("$SYS/broker", Use.NOTHING),
    ],
)
def test_the_table_of_aws(topic: str, use: Use) -> None:
    assert allowed_use(topic) is use
