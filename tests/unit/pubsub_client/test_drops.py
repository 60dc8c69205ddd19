"""Why a connection went away is told by what came before it."""

from __future__ import annotations

import pytest

from pubsub_client import MqttOverWebSocket
from pubsub_client._failures import DisconnectReasons
from pubsub_client._transport import ClientId, Disconnect

TAKEN_OVER = Disconnect(0x8E, "0x8e SESSION_TAKEN_OVER")
CLOSED = Disconnect(None, "the socket was closed")


@pytest.fixture
def drops() -> DisconnectReasons:
    return DisconnectReasons(MqttOverWebSocket("ws://127.0.0.1:1/"), ClientId("tablet-7"))


def test_a_takeover_is_told_with_the_client_id(drops: DisconnectReasons) -> None:
    told = drops.explain(TAKEN_OVER, stable=True)
    assert told == "0x8e SESSION_TAKEN_OVER: another client has connected with the client id 'tablet-7'"


def test_takeovers_in_a_row_are_told_as_two_clients_with_one_client_id(drops: DisconnectReasons) -> None:
    drops.explain(TAKEN_OVER, stable=True)
    assert "2 times in a row: clients with the same client id end each other's" in drops.explain(
        TAKEN_OVER, stable=False
    )


def test_a_takeover_after_a_long_connection_begins_a_new_count(drops: DisconnectReasons) -> None:
    drops.explain(TAKEN_OVER, stable=True)
    assert "in a row" not in drops.explain(TAKEN_OVER, stable=True)


def test_short_connections_without_a_reason_may_be_two_clients_too(drops: DisconnectReasons) -> None:
    told = [drops.explain(CLOSED, stable=False) for _ in range(3)]
    assert told[:2] == ["the socket was closed"] * 2
    assert "If another client has the client id 'tablet-7' too" in told[2]


def test_disconnect_after_qos_0_message_names_its_topic_once(
    drops: DisconnectReasons,
) -> None:
    drops.record_publish("orders/1")
    told = drops.explain(CLOSED, stable=True)
    assert "A message to orders/1 came before: if that happens each time" in told
    assert "publishing to orders/1" in told
    assert drops.explain(CLOSED, stable=True) == "the socket was closed"
