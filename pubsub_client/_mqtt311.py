"""A link that speaks MQTT 3.1.1, on awscrt."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from awscrt import mqtt

from pubsub_client._connack import ask_why_refused
from pubsub_client._hop import Hop
from pubsub_client._link import FIRST_FAILURE, Answer, AttemptFailed, ConnectOptions, Drop, DroppedError, Packet
from pubsub_client._provider import Provider, UpgradeRequest

_ANSWER_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
# How long a CONNACK or PINGRESP may take; awscrt wants less than the keep alive.
_PING_SECONDS = 20.0
# The longest there is (MQTT 3.1.1, section 3.1.2.10), for one that is turned off: awscrt cannot do without.
_LONGEST_KEEP_ALIVE = 65535
# What awscrt says of a CONNACK that refuses, among others; the code in it is not told.
_REFUSED = "AWS_ERROR_MQTT_PROTOCOL_ERROR"
# What it fails an operation with when its connection is going, or gone.
_GOING = {
    "AWS_ERROR_MQTT_CANCELLED_FOR_CLEAN_SESSION",
    "AWS_ERROR_MQTT_CONNECTION_DESTROYED",
    "AWS_ERROR_MQTT_CONNECTION_DISCONNECTING",
    "AWS_ERROR_MQTT_NOT_CONNECTED",
}


class _Unanswered(NamedTuple):
    """Who waits for an answer, and until when by the loop's clock."""

    answered: Callable[[Answer], None]
    deadline: float


class Mqtt311Link:
    """One connection by MQTT 3.1.1: see :class:`Link`.

    When a connection of awscrt goes, it is made again by itself unless the callback that hears of it disconnects. While
    it is made for the first time it cannot be disconnected; if the link is closed meanwhile, it is as soon as it is up.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_dropped: Callable[[Drop], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._provider = provider
        self._options = options
        self._on_received = on_received
        self._on_dropped = on_dropped
        self._hop = Hop(self._loop)
        self._opened: asyncio.Future[bool] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._unanswered: dict[concurrent.futures.Future[Any], _Unanswered] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""
        self._over = False
        self._connection: mqtt.Connection | None = None

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect: see :class:`Link`."""
        self._connection = self._make_connection(request)
        self._connection.on_message(self._on_message)
        self._connection.connect().add_done_callback(self._on_connect)
        try:
            return await self._opened
        except Exception as error:
            connack = None
            if getattr(error, "name", "") == _REFUSED:
                connack = await ask_why_refused(self._provider, request, str(self._options.client_id))
            raise AttemptFailed(error, connack) from error

    def publish(self, packet: Packet, answered: Callable[[Answer], None]) -> None:
        """Send a message: see :class:`Link`."""
        if connection := self._connection_or_drop(answered):
            sent, _ = connection.publish(packet.topic, packet.payload, mqtt.QoS(packet.qos), packet.retain)
            self._follow(sent, answered)

    def subscribe(self, topic_filter: str, qos: int, answered: Callable[[Answer], None]) -> None:
        """Subscribe: see :class:`Link`."""
        if connection := self._connection_or_drop(answered):
            sent, _ = connection.subscribe(topic_filter, mqtt.QoS(qos))
            self._follow(sent, answered)

    def unsubscribe(self, topic_filter: str, answered: Callable[[Answer], None]) -> None:
        """Unsubscribe: see :class:`Link`."""
        if connection := self._connection_or_drop(answered):
            sent, _ = connection.unsubscribe(topic_filter)
            self._follow(sent, answered)

    async def close(self) -> None:
        """Disconnect: see :class:`Link`."""
        self._over = True
        self._opened.cancel()
        self._answer_all("the connection is closed")
        if connection := self._connection:
            _disconnect(connection)
            # While it is being made it goes on, longer than anybody waits: see _on_connect.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._ended.wait()

    def _make_connection(self, request: UpgradeRequest) -> mqtt.Connection:
        endpoint = self._provider.endpoint
        proxy = endpoint.proxy()
        will = self._options.will
        keep_alive = self._options.keep_alive or _LONGEST_KEEP_ALIVE
        return mqtt.Connection(
            mqtt.Client(tls_ctx=endpoint.tls_context()),
            host_name=endpoint.host,
            port=endpoint.port,
            client_id=str(self._options.client_id),
            clean_session=True,
            keep_alive_secs=keep_alive,
            ping_timeout_ms=int(min(_PING_SECONDS, keep_alive / 2) * 1000),
            will=mqtt.Will(will.topic, mqtt.QoS(will.qos), will.payload, will.retain) if will else None,
            username=self._provider.user_name,
            password=self._provider.password,
            use_websockets=True,
            websocket_handshake_transform=partial(_fill, request, endpoint.authority),
            proxy_options=proxy.options if proxy else None,
            on_connection_interrupted=self._on_interrupted,
            on_connection_closed=self._on_closed,
            disable_metrics=True,
        )

    def _on_connect(self, done: concurrent.futures.Future[dict[str, bool]]) -> None:
        """Take over, on awscrt's thread, what came of connecting."""
        if error := _error_of(done):
            self._connection = None
            self._hop.call(self._failed, error)
            return
        if self._over and self._connection:
            _disconnect(self._connection)
        self._hop.call(self._succeeded, done.result()["session_present"])

    def _on_interrupted(self, connection: mqtt.Connection, error: Exception, **_: object) -> None:
        """Keep the connection, on awscrt's thread, from being made again; :meth:`_on_closed` follows."""
        self._reason = str(error)
        _disconnect(connection)

    def _on_closed(self, **_: object) -> None:
        """Let go, on awscrt's thread, of what would keep itself alive: the connection keeps what it calls back."""
        self._connection = None
        self._hop.call(self._gone)

    def _on_message(self, topic: str, payload: bytes, qos: mqtt.QoS, *, retain: bool, **_: object) -> None:
        """Take a message over, on awscrt's thread."""
        self._hop.call(self._on_received, Packet(topic, payload, int(qos), retain))

    def _succeeded(self, session_present: bool) -> None:
        if not self._opened.done():
            self._opened.set_result(session_present)

    def _failed(self, error: Exception) -> None:
        self._ended.set()
        if not self._opened.done():
            self._opened.set_exception(error)

    def _gone(self) -> None:
        self._ended.set()
        if not self._over:
            self._over = True
            self._answer_all(self._reason)
            self._on_dropped(Drop(None, self._reason))

    def _connection_or_drop(self, answered: Callable[[Answer], None]) -> mqtt.Connection | None:
        if self._over or not self._opened.done() or self._connection is None:
            answered(Answer(error=DroppedError("there is no connection", was_sent=False)))
            return None
        return self._connection

    def _follow(self, sent: concurrent.futures.Future[Any], answered: Callable[[Answer], None]) -> None:
        self._unanswered[sent] = _Unanswered(answered, self._loop.time() + _ANSWER_SECONDS)
        sent.add_done_callback(lambda done: self._hop.call(self._answered, done))
        if self._timer is None:
            self._time_next()

    def _answered(self, done: concurrent.futures.Future[Any]) -> None:
        # What awscrt fails because the connection goes is answered when it has gone, in order and with the reason.
        if getattr(_error_of(done), "name", "") in _GOING:
            return
        if unanswered := self._unanswered.pop(done, None):
            unanswered.answered(_answer_of(done))

    def _time_next(self) -> None:
        """Have a look when the time of the oldest is over; awscrt times no SUBSCRIBE."""
        oldest = next(iter(self._unanswered.values()), None)
        self._timer = self._loop.call_at(oldest.deadline, self._time_out) if oldest else None

    def _time_out(self) -> None:
        now = self._loop.time()
        for sent, (answered, deadline) in list(self._unanswered.items()):
            if deadline > now:
                break
            if self._unanswered.pop(sent, None):
                answered(Answer(error=TimeoutError(f"no answer within {_ANSWER_SECONDS:g} s")))
        self._time_next()

    def _answer_all(self, reason: str) -> None:
        if self._timer:
            self._timer.cancel()
        unanswered, self._unanswered = self._unanswered, {}
        for answered, _ in unanswered.values():
            answered(Answer(error=DroppedError(reason)))


def _fill(request: UpgradeRequest, authority: str, transform_args: mqtt.WebsocketHandshakeTransformArgs) -> None:
    """Fill the upgrade request in; awscrt asks for it by this argument's name."""
    request.fill(transform_args.http_request, authority)
    transform_args.set_done()


def _disconnect(connection: mqtt.Connection) -> None:
    """Disconnect; awscrt refuses to while the connection is being made, and when it has gone."""
    connection.disconnect().add_done_callback(_error_of)


def _error_of(done: concurrent.futures.Future[Any]) -> BaseException | None:
    """Return the error without the frames it was raised in: they keep awscrt's connection, and it everything else."""
    error = done.exception()
    return error.with_traceback(None) if error else None


def _answer_of(done: concurrent.futures.Future[Any]) -> Answer:
    error = _error_of(done)
    if isinstance(error, mqtt.SubscribeError):
        return Answer(FIRST_FAILURE)
    if isinstance(error, Exception):
        return Answer(error=error)
    return Answer(int(done.result().get("qos", 0)))
