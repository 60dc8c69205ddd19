"""paho-mqtt, with its own thread for the network."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.clients import HOST, IN_FLIGHT, PAYLOAD, TOPIC


class _Paho:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._received: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        client.on_message = lambda _client, _userdata, message: self._received.put(message)

    def publish(self, qos: int, messages: int) -> None:
        # It keeps the window by itself: what is beyond it waits in its own queue.
        for sent in [self._client.publish(TOPIC, PAYLOAD, qos) for _ in range(messages)]:
            sent.wait_for_publish()

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        self._subscribe(subscription_qos)
        for _ in range(times):
            begun = time.perf_counter()
            sent = self._client.publish(TOPIC, PAYLOAD, qos)
            self._received.get()
            sent.wait_for_publish()
            seconds.append(time.perf_counter() - begun)
        self._client.unsubscribe(TOPIC)
        return seconds

    def _subscribe(self, qos: int) -> None:
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.subscribe(TOPIC, qos)
        granted.wait()


@contextmanager
def connect(port: int) -> Iterator[_Paho]:
    """Connect: see `Connect`."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, transport="websockets")
    client.max_inflight_messages_set(IN_FLIGHT)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(HOST, port)
    client.loop_start()
    connected.wait()
    try:
        yield _Paho(client)
    finally:
        client.disconnect()
        client.loop_stop()
