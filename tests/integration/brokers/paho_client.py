"""paho, the client of the Eclipse Foundation, in its own thread."""

from __future__ import annotations

import asyncio
import queue
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Literal

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from tests.integration.brokers.broker_process import HOST

SECONDS = 10.0


class Paho:
    """A connected client; created by :func:`connected_paho`."""

    def __init__(self, client: Client) -> None:
        connected: queue.Queue[bool] = queue.Queue()
        granted: queue.Queue[list[int]] = queue.Queue()
        messages: queue.Queue[MQTTMessage] = queue.Queue()
        # The callbacks must not refer to this object, because paho closes its sockets when it is collected.
        client.on_connect = lambda *arguments: connected.put(not arguments[3].is_failure)
        client.on_subscribe = lambda *arguments: granted.put([code.value for code in arguments[3]])
        client.on_message = lambda *arguments: messages.put(arguments[2])
        self._client = client
        self._connected = connected
        self._granted = granted
        self._messages = messages

    async def connect(self, host: str, port: int) -> None:
        await asyncio.to_thread(self._client.connect, host, port)
        self._client.loop_start()
        assert await asyncio.to_thread(self._connected.get, timeout=SECONDS), "the broker refuses paho"

    async def disconnect(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, properties: Properties | None = None
    ) -> None:
        """Publish, and wait until the broker has acknowledged it."""
        published = self._client.publish(topic, payload, qos, retain, properties)
        await asyncio.to_thread(published.wait_for_publish, SECONDS)
        assert published.is_published()

    async def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        """Subscribe, and wait until the broker has granted it."""
        error, _ = self._client.subscribe(topic_filter, qos)
        assert error is MQTTErrorCode.MQTT_ERR_SUCCESS
        assert await asyncio.to_thread(self._granted.get, timeout=SECONDS) == [qos]

    async def message(self) -> MQTTMessage:
        """Return the next message."""
        return await asyncio.to_thread(self._messages.get, timeout=SECONDS)


@asynccontextmanager
async def connected_paho(
    port: int,
    *,
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    path: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Paho]:
    """Connect to a loopback port.

    Args:
        port: the broker's port.
        version: the version of MQTT.
        path: the path of the WebSocket; None for plain TCP.
        headers: additional headers of the WebSocket request.
    """
    transport: Literal["tcp", "websockets"] = "tcp" if path is None else "websockets"
    client_id = f"paho-{uuid.uuid4()}"
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, transport=transport)
    if path is not None:
        client.ws_set_options(path, lambda own: {**own, **headers})
    paho = Paho(client)
    await paho.connect(HOST, port)
    try:
        yield paho
    finally:
        await paho.disconnect()
