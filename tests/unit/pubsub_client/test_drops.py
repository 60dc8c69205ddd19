"""Why a connection went away is told by what came before it."""

from __future__ import annotations

import pytest

from pubsub_client import MqttOverWebSocket
from pubsub_client._client_id import ClientId
from pubsub_client._drops import Drops
from pubsub_client._link import Drop

TAKEN_OVER = Drop(0x8E, "0x8e SESSION_TAKEN_OVER")
CLOSED = Drop(None, "the socket was closed")


@pytest.fixture
def drops() -> Drops:
    return Drops(MqttOverWebSocket("ws://127.0.0.1:1/"), ClientId("tablet-7"))


def test_a_takeover_is_told_with_the_client_id(drops: Drops) -> None:
    told = drops.why(TAKEN_OVER, held=True)
    assert told == "0x8e SESSION_TAKEN_OVER: another connection has come with the client id 'tablet-7'"


def test_takeovers_in_a_row_are_told_as_two_clients_with_one_client_id(drops: Drops) -> None:
    drops.why(TAKEN_OVER, held=True)
    assert "the 2. time in a row: clients with one client id end each other's" in drops.why(TAKEN_OVER, held=False)


def test_a_takeover_after_a_long_connection_begins_a_new_count(drops: Drops) -> None:
    drops.why(TAKEN_OVER, held=True)
    assert "in a row" not in drops.why(TAKEN_OVER, held=True)


def test_short_connections_without_a_reason_may_be_two_clients_too(drops: Drops) -> None:
    told = [drops.why(CLOSED, held=False) for _ in range(3)]
    assert told[:2] == ["the socket was closed"] * 2
    assert "If another client has the client id 'tablet-7' too" in told[2]


def test_a_connection_that_ends_after_a_message_with_qos_0_is_told_with_the_topic_once(drops: Drops) -> None:
    drops.sent_without_answer("orders/1")
    told = drops.why(CLOSED, held=True)
    assert "A message to orders/1 came before: if that happens each time" in told
    assert "publishing to orders/1" in told
    assert drops.why(CLOSED, held=True) == "the socket was closed"
