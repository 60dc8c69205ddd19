"""Bare awscrt, with its futures."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from awscrt import mqtt5

from benchmarks.clients import HOST, IN_FLIGHT, PAYLOAD, TOPIC


class _Awscrt:
    def __init__(self, client: mqtt5.Client, received: queue.SimpleQueue[mqtt5.PublishReceivedData]) -> None:
        self._client = client
        self._received = received

    def publish(self, qos: int, messages: int) -> None:
        under_way: deque[Future[Any]] = deque()
        for _ in range(messages):
            if len(under_way) == IN_FLIGHT:
                under_way.popleft().result()
            under_way.append(self._publish(qos))
        for sent in under_way:
            sent.result()

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        subscription = mqtt5.Subscription(TOPIC, mqtt5.QoS(subscription_qos))
        self._client.subscribe(mqtt5.SubscribePacket([subscription])).result()
        for _ in range(times):
            begun = time.perf_counter()
            sent = self._publish(qos)
            self._received.get()
            sent.result()
            seconds.append(time.perf_counter() - begun)
        self._client.unsubscribe(mqtt5.UnsubscribePacket([TOPIC])).result()
        return seconds

    def _publish(self, qos: int) -> Future[Any]:
        packet = mqtt5.PublishPacket(topic=TOPIC, payload=PAYLOAD, qos=mqtt5.QoS(qos))
        sent: Future[Any] = self._client.publish(packet)
        return sent


@contextmanager
def connect(port: int) -> Iterator[_Awscrt]:
    """Connect: see `Connect`."""
    received: queue.SimpleQueue[mqtt5.PublishReceivedData] = queue.SimpleQueue()
    connected, stopped = threading.Event(), threading.Event()
    client = mqtt5.Client(
        mqtt5.ClientOptions(
            host_name=HOST,
            port=port,
            websocket_handshake_transform=_as_it_is,
            on_publish_callback_fn=received.put,
            on_lifecycle_event_connection_success_fn=lambda _: connected.set(),
            on_lifecycle_event_stopped_fn=lambda _: stopped.set(),
            disable_metrics=True,
        )
    )
    client.start()
    connected.wait()
    try:
        yield _Awscrt(client, received)
    finally:
        client.stop()
        stopped.wait()


def _as_it_is(transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
    transform_args.set_done()
