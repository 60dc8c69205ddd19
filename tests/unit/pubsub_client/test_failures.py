"""Explanations of acknowledgements and of lost connections."""

from __future__ import annotations

import pytest

from pubsub_client import MqttOverWebSocket
from pubsub_client._failures import DisconnectReasons, check_published, check_subscribed
from pubsub_client._messages import Packet
from pubsub_client._transport import Ack, ClientId, Disconnect, DisconnectedError
from pubsub_client.exceptions import ConnectionLost, PublishRefused, SubscribeRefused

PROVIDER = MqttOverWebSocket("ws://127.0.0.1:1/")
PACKET = Packet("orders/1", b"{}", 1, retain=False)
TAKEN_OVER = Disconnect(0x8E, "0x8e SESSION_TAKEN_OVER")
CLOSED = Disconnect(None, "the socket was closed")


def test_exceeded_quota_is_not_reported_as_a_denial() -> None:
    reason = r"0x97 QUOTA_EXCEEDED: the broker is busy.*not a denial"
    with pytest.raises(PublishRefused, match=reason):
        check_published(Ack(0x97), PACKET, PROVIDER)
    with pytest.raises(SubscribeRefused, match=reason):
        check_subscribed(Ack(0x97), "orders/#", PROVIDER)


def test_denied_message_is_explained_by_the_provider() -> None:
    with pytest.raises(
        PublishRefused, match=r"0x87 NOT_AUTHORIZED: .* lacks the permission for publishing to orders/1"
    ):
        check_published(Ack(0x87), PACKET, PROVIDER)


class LimitError(Exception):
    """awscrt's error for a packet beyond the limits in the broker's CONNACK."""

    name = "AWS_ERROR_MQTT5_PUBLISH_OPTIONS_VALIDATION"


def test_packet_beyond_the_brokers_limits_is_rejected() -> None:
    with pytest.raises(PublishRefused, match="does not support this message"):
        check_published(Ack(error=LimitError()), PACKET, PROVIDER)
    with pytest.raises(SubscribeRefused, match="does not support this filter"):
        check_subscribed(Ack(error=LimitError()), "orders/#", PROVIDER)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError("30 s"), "publishing to orders/1 failed: 30 s"),
        (DisconnectedError("gone", was_sent=False), "publishing to orders/1 failed before anything was sent: gone"),
        (
            DisconnectedError("gone"),
            "lost while publishing to orders/1: gone.*lacks the permission for publishing to orders/1",
        ),
    ],
)
def test_message_without_an_ack_is_explained(error: Exception, reason: str) -> None:
    with pytest.raises(ConnectionLost, match=reason):
        check_published(Ack(error=error), PACKET, PROVIDER)


@pytest.fixture
def reasons() -> DisconnectReasons:
    return DisconnectReasons(PROVIDER, ClientId("tablet-7"))


def test_takeover_names_the_client_id(reasons: DisconnectReasons) -> None:
    reason = reasons.explain(TAKEN_OVER, stable=True)
    assert reason == "0x8e SESSION_TAKEN_OVER: another client connected with the client id 'tablet-7'"


def test_takeovers_in_a_row_are_explained_by_a_shared_client_id(reasons: DisconnectReasons) -> None:
    reasons.explain(TAKEN_OVER, stable=True)
    assert "2 times in a row; use another client_id" in reasons.explain(TAKEN_OVER, stable=False)


def test_takeover_after_a_stable_connection_starts_a_new_count(reasons: DisconnectReasons) -> None:
    reasons.explain(TAKEN_OVER, stable=True)
    assert "in a row" not in reasons.explain(TAKEN_OVER, stable=True)


def test_short_connections_without_a_reason_suggest_a_shared_client_id(reasons: DisconnectReasons) -> None:
    explained = [reasons.explain(CLOSED, stable=False) for _ in range(3)]
    assert explained[:2] == ["the socket was closed"] * 2
    assert "Another client may use the client id 'tablet-7'" in explained[2]


def test_disconnect_after_a_qos_0_message_names_its_topic_once(reasons: DisconnectReasons) -> None:
    reasons.record_publish("orders/1")
    explained = reasons.explain(CLOSED, stable=True)
    assert "It followed a message to orders/1; if this happens each time" in explained
    assert "publishing to orders/1" in explained
    assert reasons.explain(CLOSED, stable=True) == "the socket was closed"
