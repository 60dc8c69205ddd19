"""Clients of others and ours, each used as its users would use it to be fast: see `Client`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from benchmarks.mosquitto import HOST as HOST

TOPIC = "bench/messages"
PAYLOAD = bytes(256)
IN_FLIGHT = 100
"""Messages that a client has under way at a time: what AWS IoT lets one connection have unacknowledged.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits)
"""


class Client(Protocol):
    """A client that is connected, by MQTT 5 over WebSocket."""

    def publish(self, qos: int, messages: int) -> None:
        """Publish so many messages; wait until each is acknowledged or, with QoS 0, written to the socket."""
        ...

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        """Publish to a subscription of one's own, one message after the other.

        Returns:
            Seconds of each until it had come back and, with QoS 1, was acknowledged.
        """
        ...


class Connect(Protocol):
    """What each module here calls `connect`."""

    def __call__(self, port: int) -> AbstractContextManager[Client]:
        """Connect to the broker with its WebSocket at this port of loopback, for as long as the context lasts."""
        ...
