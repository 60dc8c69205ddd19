"""Our MQTT client, bare awscrt and paho-mqtt, each used in its fastest way, over MQTT 5 and WebSocket.

``python -m benchmarks.mqtt_clients CLIENT PORT`` connects one of them to a broker on loopback. Each line of standard
input, ``MESSAGES TRIPS``, starts a round; the result of the round is printed as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from awscrt import mqtt5
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from pubsub_client import MqttOverWebSocket, PubSub

HOST = "127.0.0.1"
TOPIC = "bench/messages"
PAYLOAD = bytes(256)
IN_FLIGHT = 100
"""How many messages a client sends before the first is acknowledged: AWS IoT's limit for a connection.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits)
"""
_WARM_UP_MESSAGES = 1000


class Client(Protocol):
    """A connected client."""

    def publish(self, qos: int, messages: int) -> None:
        """Publish messages, and wait until all are acknowledged (QoS 1) or written to the socket (QoS 0)."""
        ...

    def round_trips(self, qos: int, times: int) -> list[float]:
        """Publish messages one by one to the client's own subscription, which has QoS 0.

        Returns:
            For each message, the seconds until it was received and, with QoS 1, acknowledged.
        """
        ...


class _Ours:
    """This project's client: as many coroutines as messages in flight."""

    def __init__(self, runner: asyncio.Runner, pubsub: PubSub) -> None:
        self._runner = runner
        self._pubsub = pubsub

    def publish(self, qos: int, messages: int) -> None:
        self._runner.run(self._publish(qos, messages))

    def round_trips(self, qos: int, times: int) -> list[float]:
        return self._runner.run(self._round_trips(qos, times))

    async def _publish(self, qos: int, messages: int) -> None:
        remaining = iter(range(messages))

        async def publish_next() -> None:
            for _ in remaining:
                await self._pubsub.publish(TOPIC, PAYLOAD, qos=qos)

        await asyncio.gather(*(publish_next() for _ in range(IN_FLIGHT)))

    async def _round_trips(self, qos: int, times: int) -> list[float]:
        seconds = []
        async with self._pubsub.subscribe(TOPIC) as messages:
            for _ in range(times):
                started = time.perf_counter()
                await self._pubsub.publish(TOPIC, PAYLOAD, qos=qos)
                await anext(messages)
                seconds.append(time.perf_counter() - started)
        return seconds


@contextmanager
def _ours(port: int) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        pubsub = PubSub(MqttOverWebSocket(f"ws://{HOST}:{port}/"))
        runner.run(pubsub.connect())
        try:
            yield _Ours(runner, pubsub)
        finally:
            runner.run(pubsub.close())


class _Awscrt:
    """Bare awscrt, with its futures."""

    def __init__(self, client: mqtt5.Client, received: queue.SimpleQueue[mqtt5.PublishReceivedData]) -> None:
        self._client = client
        self._received = received

    def publish(self, qos: int, messages: int) -> None:
        in_flight: deque[Future[Any]] = deque()
        for _ in range(messages):
            if len(in_flight) == IN_FLIGHT:
                in_flight.popleft().result()
            in_flight.append(self._publish(qos))
        for sent in in_flight:
            sent.result()

    def round_trips(self, qos: int, times: int) -> list[float]:
        seconds = []
        subscription = mqtt5.Subscription(TOPIC, mqtt5.QoS.AT_MOST_ONCE)
        self._client.subscribe(mqtt5.SubscribePacket([subscription])).result()
        for _ in range(times):
            started = time.perf_counter()
            sent = self._publish(qos)
            self._received.get()
            sent.result()
            seconds.append(time.perf_counter() - started)
        self._client.unsubscribe(mqtt5.UnsubscribePacket([TOPIC])).result()
        return seconds

    def _publish(self, qos: int) -> Future[Any]:
        packet = mqtt5.PublishPacket(topic=TOPIC, payload=PAYLOAD, qos=mqtt5.QoS(qos))
        sent: Future[Any] = self._client.publish(packet)
        return sent


@contextmanager
def _awscrt(port: int) -> Iterator[Client]:
    received: queue.SimpleQueue[mqtt5.PublishReceivedData] = queue.SimpleQueue()
    connected, stopped = threading.Event(), threading.Event()
    client = mqtt5.Client(
        mqtt5.ClientOptions(
            host_name=HOST,
            port=port,
            websocket_handshake_transform=lambda transform_args: transform_args.set_done(),
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


class _Paho:
    """paho-mqtt, with its own network thread."""

    def __init__(self, client: PahoClient) -> None:
        self._client = client
        self._received: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        client.on_message = lambda _client, _userdata, message: self._received.put(message)

    def publish(self, qos: int, messages: int) -> None:
        # paho limits the messages in flight itself, and queues the others.
        for sent in [self._client.publish(TOPIC, PAYLOAD, qos) for _ in range(messages)]:
            sent.wait_for_publish()

    def round_trips(self, qos: int, times: int) -> list[float]:
        seconds = []
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.subscribe(TOPIC)
        granted.wait()
        for _ in range(times):
            started = time.perf_counter()
            sent = self._client.publish(TOPIC, PAYLOAD, qos)
            self._received.get()
            sent.wait_for_publish()
            seconds.append(time.perf_counter() - started)
        self._client.unsubscribe(TOPIC)
        return seconds


@contextmanager
def _paho(port: int) -> Iterator[Client]:
    client = PahoClient(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, transport="websockets")
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


CLIENTS: dict[str, Callable[[int], AbstractContextManager[Client]]] = {
    "ours": _ours,
    "awscrt": _awscrt,
    "paho": _paho,
}


def main() -> None:
    """Run a round for each line of standard input."""
    name, port = sys.argv[1:]
    with CLIENTS[name](int(port)) as client:
        client.publish(1, _WARM_UP_MESSAGES)
        for line in sys.stdin:
            messages, trips = map(int, line.split())
            measured = {
                "rates": [_publish_rate(client, qos, messages) for qos in (0, 1)],
                "trips": [client.round_trips(qos, trips) for qos in (0, 1)],
            }
            print(json.dumps(measured), flush=True)


def _publish_rate(client: Client, qos: int, messages: int) -> float:
    """Return the published messages per second."""
    started = time.perf_counter()
    client.publish(qos, messages)
    seconds = time.perf_counter() - started
    client.publish(1, 1)  # its acknowledgement shows that the broker has read all messages before it
    return messages / seconds


if __name__ == "__main__":
    main()
