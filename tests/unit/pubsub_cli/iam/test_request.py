from __future__ import annotations

import pytest

from pubsub_cli.iam.request import requests

PREFIX = "arn:aws:iot:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("topic", "asked"),
    [
        ("orders/1", ["topicfilter/orders/1 Subscribe", "topic/orders/1 Publish", "topic/orders/1 Receive"]),
        ("rooms/+/#", ["topicfilter/rooms/+/# Subscribe", "topic/rooms/some-level/some-level Receive"]),
        ("$aws/rules/to-s3/a", ["topic/$aws/rules/to-s3/a Publish"]),
        (
            "$aws/events/presence/connected/a",
            [
                "topicfilter/$aws/events/presence/connected/a Subscribe",
                "topic/$aws/events/presence/connected/a Receive",
            ],
        ),
    ],
)
def test_asked_is_what_aws_iot_lets_clients_do_with_a_topic(topic: str, asked: list[str]) -> None:
    connect, *others = requests(PREFIX, "browser", [topic])
    assert (connect.action, connect.resource) == ("iot:Connect", f"{PREFIX}:client/browser")
    told = [f"{each.resource.removeprefix(f'{PREFIX}:')} {each.action.removeprefix('iot:')}" for each in others]
    assert told == asked
