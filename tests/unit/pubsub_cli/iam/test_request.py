"""The requests of a front end, and AWS IoT's reserved topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.iam.request import ANY_CLIENT_ID, TopicUse, allowed_use, front_end_requests

PREFIX = "arn:aws:iot:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (
            "orders/1",
            [
                "topicfilter/orders/1 Subscribe",
                "topic/orders/1 Publish",
                "topic/orders/1 RetainPublish",
                "topic/orders/1 Receive",
            ],
        ),
        ("rooms/+/#", ["topicfilter/rooms/+/# Subscribe", "topic/rooms/some-level/some-level Receive"]),
        ("$aws/rules/to-s3/a", ["topic/$aws/rules/to-s3/a Publish"]),
        (
            "$aws/things/lamp/shadow/#",
            ["topicfilter/$aws/things/lamp/shadow/# Subscribe", "topic/$aws/things/lamp/shadow/some-level Receive"],
        ),
        ("$share/workers/jobs/#", ["topicfilter/$share/workers/jobs/# Subscribe", "topic/jobs/some-level Receive"]),
        ("$share/workers/jobs", ["topicfilter/$share/workers/jobs Subscribe", "topic/jobs Receive"]),
        (
            "$aws/events/presence/connected/a",
            [
                "topicfilter/$aws/events/presence/connected/a Subscribe",
                "topic/$aws/events/presence/connected/a Receive",
            ],
        ),
    ],
)
def test_front_end_requests_are_those_that_aws_iot_accepts(topic: str, expected: list[str]) -> None:
    connect, *others = front_end_requests(PREFIX, "browser", [topic])
    assert (connect.action, connect.resource) == ("iot:Connect", f"{PREFIX}:client/browser")
    made = [f"{each.resource.removeprefix(f'{PREFIX}:')} {each.action.removeprefix('iot:')}" for each in others]
    assert made == expected


def test_request_text_names_action_and_resource() -> None:
    assert [each.text for each in front_end_requests(PREFIX, "browser", ["orders"])] == [
        "connect with the client id browser",
        "subscribe to orders",
        "publish to orders",
        "publish retained messages to orders",
        "receive messages of orders",
    ]
    (connect,) = front_end_requests(PREFIX, f"id-{ANY_CLIENT_ID}", [])
    assert connect.text == "connect with a random client id"


@given(st.text(min_size=1).filter(lambda topic: not topic.startswith("$")))
def test_topic_without_a_dollar_is_unrestricted(topic: str) -> None:
    assert allowed_use(topic) is TopicUse.BOTH


# https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
@pytest.mark.parametrize(
    ("topic", "use"),
    [
        ("$aws/things/lamp/shadow/update", TopicUse.BOTH),
        ("$aws/things/lamp/shadow/name/night/get", TopicUse.BOTH),
        ("$aws/things/lamp/shadow/update/delta", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/shadow/name/night/delete/rejected", TopicUse.SUBSCRIBE),
        ("$aws/rules/a_rule/orders/1", TopicUse.PUBLISH),
        ("$aws/events/presence/connected/me", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/jobs/7/update", TopicUse.PUBLISH),
        ("$aws/things/lamp/jobs/7/update/accepted", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/jobs/notify-next", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/streams/s/get/json", TopicUse.PUBLISH),
        ("$aws/things/lamp/streams/s/data/json", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/shadow/#", TopicUse.SUBSCRIBE),
        ("$aws/things/+/shadow/update/accepted", TopicUse.SUBSCRIBE),
        ("$aws/things/lamp/shadow/name/+/update/+", TopicUse.SUBSCRIBE),
        ("$aws/events/presence/+/+", TopicUse.SUBSCRIBE),
        ("$aws/rules/#", TopicUse.NOTHING),
        ("$aws/orders/#", TopicUse.NOTHING),
        ("$share/workers/jobs/#", TopicUse.SUBSCRIBE),
        ("$share/workers/$aws/rules/a", TopicUse.NOTHING),
        ("$share/workers", TopicUse.NOTHING),
        ("$share/a+b/jobs", TopicUse.NOTHING),
        ("$aws/orders", TopicUse.NOTHING),
        ("$aws/things/lamp/shadow", TopicUse.NOTHING),
        ("$orders/1", TopicUse.NOTHING),
        ("$SYS/broker", TopicUse.NOTHING),
    ],
)
def test_reserved_topic_use_is_that_of_the_documentation(topic: str, use: TopicUse) -> None:
    assert allowed_use(topic) is use
