"""What the broker's answers to messages and subscriptions become."""

from __future__ import annotations

import pytest

from pubsub_client import MqttOverWebSocket
from pubsub_client._failures import check_published, check_subscribed
from pubsub_client._messages import Packet
from pubsub_client._transport import Ack
from pubsub_client.exceptions import PublishRefused, SubscribeRefused

PROVIDER = MqttOverWebSocket("ws://127.0.0.1:9/mqtt")
PACKET = Packet("orders/1", b"{}", 1, retain=False)


def test_a_message_above_a_quota_is_refused_as_no_denial() -> None:
    with pytest.raises(PublishRefused, match=r"0x97 QUOTA_EXCEEDED: the broker is busy.*no denial"):
        check_published(Ack(0x97), PACKET, PROVIDER)


def test_a_subscription_above_a_quota_is_refused_as_no_denial() -> None:
    with pytest.raises(SubscribeRefused, match=r"0x97 QUOTA_EXCEEDED: the broker is busy.*no denial"):
        check_subscribed(Ack(0x97), "orders/#", PROVIDER)


def test_a_denied_message_is_explained_by_the_provider() -> None:
    with pytest.raises(PublishRefused, match="0x87 NOT_AUTHORIZED: the broker does not allow publishing to orders/1"):
        check_published(Ack(0x87), PACKET, PROVIDER)
