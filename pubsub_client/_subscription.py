"""What is received: messages, and the subscription that a reader takes them from."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from pubsub_client._link import Packet
from pubsub_client._payload import decode


@dataclass(frozen=True)
class Message:
    """One message: as it was received, or as a last will is to be sent.

        >>> will = Message("presence/ada", {"online": False}, retain=True)
        >>> will.is_json
        True

    Args:
        topic: the topic it is published to.
        payload: the JSON value; the bytes if it is no JSON, or was sent as bytes by this library with MQTT 5, which
            tells bytes that happen to be JSON.
        qos: 0 or 1; received, as it was delivered.
        retain: whether the broker had kept it from before the subscription; of a will, whether it shall keep it.
    """

    topic: str
    payload: Any
    qos: int = field(default=1, kw_only=True)
    retain: bool = field(default=False, kw_only=True)

    @property
    def is_json(self) -> bool:
        """Whether the payload is a JSON value, and not bytes."""
        return not isinstance(self.payload, bytes)


class Subscription:
    """The messages of one or more topic filters, to read with ``async for``; :meth:`PubSub.subscribe` makes it.

        >>> async with PubSub(provider) as pubsub, pubsub.subscribe(["orders/+", "alarms/#"], qos=1) as messages:
        ...     await pubsub.publish("alarms/1/smoke", b"\\x01")
        ...     message = await anext(messages)
        >>> (message.topic, message.payload, message.is_json, messages.dropped)
        ('alarms/1/smoke', b'\\x01', False, 0)

    Args:
        topic_filters: the topic filters.
        buffer: how many messages wait for the reader; when there are more, the oldest is dropped.
    """

    def __init__(self, topic_filters: tuple[str, ...], buffer: int) -> None:
        self.topic_filters = topic_filters
        self.dropped = 0
        """How many messages were dropped because the reader was too slow."""
        self._packets: deque[Packet] = deque(maxlen=buffer)
        self._news = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Return the next message; stops when the connection is closed.

        Raises:
            SubscribeRefused: the broker refused a topic filter after a reconnection.
        """
        while not self._packets:
            if self._error:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        packet = self._packets.popleft()
        return Message(packet.topic, decode(packet.payload, packet.content_type), qos=packet.qos, retain=packet.retain)

    def put(self, packet: Packet) -> None:
        """Hand a message to the reader, unless it has ended."""
        if self._ended:
            return
        if len(self._packets) == self._packets.maxlen:
            self.dropped += 1
        self._packets.append(packet)
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """Let the reader take what has arrived, and then stop or raise the error."""
        self._ended = True
        self._error = self._error or error
        self._news.set()
