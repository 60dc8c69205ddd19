"""Our MQTT client and others, each used as its users would use it to be fast, by MQTT 5 over WebSocket."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiomqtt
from awscrt import mqtt5
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.mosquitto import HOST
from pubsub_client import MqttOverWebSocket, PubSub

TOPIC = "bench/messages"
PAYLOAD = bytes(256)
IN_FLIGHT = 100
"""How many messages a client sends before the first is acknowledged: AWS IoT's limit for a connection.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits)
"""


class Client(Protocol):
    """A connected client."""

    def publish(self, qos: int, messages: int) -> None:
        """Publish messages; wait until each is acknowledged or, with QoS 0, written to the socket."""
        ...

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        """Publish messages one by one to the client's own subscription.

        Returns:
            For each the seconds until it was received and, with QoS 1, acknowledged.
        """
        ...


Publish = Callable[[int], Awaitable[object]]
Receive = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class _Asyncio:
    """A client of asyncio, by its operations."""

    runner: asyncio.Runner
    publish_one: Publish
    subscribe: Callable[[int], AbstractAsyncContextManager[Receive]]

    def publish(self, qos: int, messages: int) -> None:
        self.runner.run(self._publish(qos, messages))

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        return self.runner.run(self._round_trips(qos, subscription_qos, times))

    async def _publish(self, qos: int, messages: int) -> None:
        left = iter(range(messages))

        async def publish_next() -> None:
            for _ in left:
                await self.publish_one(qos)

        await asyncio.gather(*(publish_next() for _ in range(IN_FLIGHT)))

    async def _round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        async with self.subscribe(subscription_qos) as receive:
            for _ in range(times):
                started = time.perf_counter()
                await self.publish_one(qos)
                await receive()
                seconds.append(time.perf_counter() - started)
        return seconds


@contextmanager
def _ours(port: int) -> Iterator[Client]:
    async def connect() -> PubSub:
        pubsub = PubSub(MqttOverWebSocket(f"ws://{HOST}:{port}/"))
        await pubsub.connect()
        return pubsub

    with asyncio.Runner() as runner:
        pubsub = runner.run(connect())

        @asynccontextmanager
        async def subscribe(qos: int) -> AsyncIterator[Receive]:
            async with pubsub.subscribe(TOPIC, qos=qos) as messages:
                yield messages.__anext__

        try:
            yield _Asyncio(runner, lambda qos: pubsub.publish(TOPIC, PAYLOAD, qos=qos), subscribe)
        finally:
            runner.run(pubsub.close())


@contextmanager
def _aiomqtt(port: int) -> Iterator[Client]:
    async def connect() -> aiomqtt.Client:
        client = aiomqtt.Client(
            HOST,
            port,
            transport="websockets",
            protocol=aiomqtt.ProtocolVersion.V5,
            max_inflight_messages=IN_FLIGHT,
        )
        client.pending_calls_threshold = IN_FLIGHT  # otherwise it warns of more than ten messages in flight
        return await client.__aenter__()

    with asyncio.Runner() as runner:
        client = runner.run(connect())

        @asynccontextmanager
        async def subscribe(qos: int) -> AsyncIterator[Receive]:
            await client.subscribe(TOPIC, qos)
            yield client.messages.__anext__
            await client.unsubscribe(TOPIC)

        try:
            yield _Asyncio(runner, lambda qos: client.publish(TOPIC, PAYLOAD, qos), subscribe)
        finally:
            runner.run(client.__aexit__(None, None, None))


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

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        subscription = mqtt5.Subscription(TOPIC, mqtt5.QoS(subscription_qos))
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
            websocket_handshake_transform=_send_unchanged,
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


def _send_unchanged(transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
    transform_args.set_done()


class _Paho:
    """paho-mqtt, with its own thread for the network."""

    def __init__(self, client: PahoClient) -> None:
        self._client = client
        self._received: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        client.on_message = lambda _client, _userdata, message: self._received.put(message)

    def publish(self, qos: int, messages: int) -> None:
        # It limits the messages in flight itself and queues the others.
        for sent in [self._client.publish(TOPIC, PAYLOAD, qos) for _ in range(messages)]:
            sent.wait_for_publish()

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.subscribe(TOPIC, subscription_qos)
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
    "aiomqtt": _aiomqtt,
}
"""Each connects to the WebSocket of a broker at a loopback port."""
