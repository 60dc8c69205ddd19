"""A fake broker, its transports, and a client that uses them; the fixture ``broker`` installs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pubsub_client import MqttOverWebSocket, PubSub
from pubsub_client._messages import Packet
from pubsub_client._provider import Provider, UpgradeRequest
from pubsub_client._transport import Ack, ConnectOptions, Disconnect, DisconnectedError, OnAck

CUT = Disconnect(None, "the network failed")


@dataclass
class FakeBroker:
    """Controls and records its transports."""

    transports: list[FakeTransport] = field(default_factory=list)
    session_present: Callable[[int], bool] = lambda _: False
    """Whether the broker has kept the session, by the connection's number."""
    acknowledges: bool = True
    drops_on_subscribe: Callable[[int, str], bool] = lambda _, __: False
    """Whether a connection ends on a SUBSCRIBE, by its number and the topic filter."""
    opens: Callable[[int], Exception | None] = lambda _: None
    """Why a connection fails, by its number; None for success."""
    drops_at_once: Callable[[int], bool] = lambda _: False

    @property
    def up(self) -> FakeTransport:
        return self.transports[-1]


class FakeTransport:
    """A transport that its broker controls."""

    def __init__(
        self,
        broker: FakeBroker,
        _provider: Provider,
        options: ConnectOptions,
        _on_received: Callable[[Packet], None],
        on_disconnect: Callable[[Disconnect], None],
    ) -> None:
        self.number = len(broker.transports)
        self.options = options
        self.subscribed: list[str] = []
        self.unsubscribed: list[str] = []
        self.published: list[Packet] = []
        self.over = False
        self._broker = broker
        self._on_disconnect = on_disconnect
        self._pending: list[OnAck] = []
        broker.transports.append(self)

    async def open(self, _request: UpgradeRequest) -> bool:
        await asyncio.sleep(0)
        if error := self._broker.opens(self.number):
            raise error
        if self._broker.drops_at_once(self.number):
            self.drop()
        return self._broker.session_present(self.number)

    def publish(self, packet: Packet, on_ack: OnAck) -> None:
        self.published.append(packet)
        self._ack(on_ack)

    def subscribe(self, topic_filter: str, _qos: int, on_ack: OnAck) -> None:
        self.subscribed.append(topic_filter)
        if self._broker.drops_on_subscribe(self.number, topic_filter):
            self._pending.append(on_ack)
            self.drop()
        else:
            on_ack(Ack())

    def unsubscribe(self, topic_filter: str, on_ack: OnAck) -> None:
        self.unsubscribed.append(topic_filter)
        on_ack(Ack())

    async def close(self) -> None:
        self.over = True
        self._fail_pending("closed")

    def drop(self, drop: Disconnect = CUT) -> None:
        if not self.over:
            self.over = True
            self._fail_pending(drop.reason)
            self._on_disconnect(drop)

    def _ack(self, on_ack: OnAck) -> None:
        if self._broker.acknowledges and not self.over:
            on_ack(Ack())
        else:
            self._pending.append(on_ack)

    def _fail_pending(self, reason: str) -> None:
        pending, self._pending = self._pending, []
        for on_ack in pending:
            on_ack(Ack(error=DisconnectedError(reason)))


def client(**options: object) -> PubSub:
    provider = MqttOverWebSocket("ws://127.0.0.1:1/")
    return PubSub(provider, **{"reconnect_delay": (0.001, 0.002), "connect_timeout": 2.0, **options})  # type: ignore[arg-type]
