"""The interface of one connection in one version of MQTT, and the bridge from awscrt's threads to the event loop."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from awscrt import mqtt5

from pubsub_client._guards import forks
from pubsub_client._messages import Packet
from pubsub_client._provider import Provider, UpgradeRequest

FIRST_FAILURE = 0x80
"""MQTT reason codes from this value on are failures (MQTT 5, section 2.4)."""

_REASON_CODES = (mqtt5.ConnectReasonCode, mqtt5.DisconnectReasonCode, mqtt5.SubackReasonCode, mqtt5.PubackReasonCode)

_BUSY_CALLS = 16
_MAX_BATCH = 32
_BATCH_TIMEOUT_SECONDS = 0.001
# After this number of calls the loop runs other tasks.
_MAX_CALLS_PER_RUN = 100


class ClientId:
    """An MQTT client id: a fixed one, or a random one after a prefix that is set when the client connects.

    The random one differs in each process, because a server may create its client before it forks its workers.
    """

    def __init__(self, given: str | None = None) -> None:
        self.prefix = ""
        self._given = given
        self._random = str(uuid.uuid4())
        self._forks = forks()

    def __str__(self) -> str:
        if self._given is not None:
            return self._given
        if self._forks != forks():
            self._random, self._forks = str(uuid.uuid4()), forks()
        return f"{self.prefix}{self._random}"

    def __repr__(self) -> str:
        return repr(str(self))


@dataclass(frozen=True)
class ConnectOptions:
    """The contents of the CONNECT packet.

    Args:
        client_id: the MQTT client id.
        keep_alive: the keep alive in seconds.
        session_expiry: how many seconds the broker keeps the session of a lost connection; only MQTT 5.
        resume: whether to resume a session that the broker has kept.
        will: the last will; None for no last will.
    """

    client_id: ClientId
    keep_alive: int
    session_expiry: int
    resume: bool
    will: Packet | None


class Ack(NamedTuple):
    """The result of a PUBLISH, SUBSCRIBE or UNSUBSCRIBE.

    Args:
        code: the MQTT 5 reason code, or its equivalent; None if unknown.
        text: the broker's reason string.
        error: why there is no acknowledgement; :class:`DisconnectedError` if the connection was lost.
    """

    code: int | None = 0
    text: str | None = None
    error: Exception | None = None

    @property
    def rejected(self) -> bool:
        """Whether the broker answered with a failure."""
        return self.error is None and (self.code is None or self.code >= FIRST_FAILURE)


SUCCESS = Ack()

OnAck = Callable[[Ack], None]


class Disconnect(NamedTuple):
    """The end of a connection: the broker's reason code, if any, and the reason as text."""

    code: int | None
    reason: str


class DisconnectedError(Exception):
    """The connection was lost before an acknowledgement.

    Args:
        reason: the reason as text.
        was_sent: whether the packet may have reached the broker.
    """

    def __init__(self, reason: str, *, was_sent: bool = True) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


class ConnectAttemptError(Exception):
    """An attempt to connect failed.

    Args:
        error: the error of awscrt or the provider.
        connack: the MQTT 5 reason code and the reason string of the broker's CONNACK, if there was one.
    """

    def __init__(self, error: Exception, connack: tuple[int, str | None] | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.connack = connack


class Transport(Protocol):
    """One connection, which is opened once and cannot be reused.

    All methods are called on the loop, and all callbacks run on the loop. No packet is sent twice.

    Args:
        provider: the broker.
        options: the contents of the CONNECT packet.
        on_received: called with each message.
        on_disconnect: called once when an open connection is lost, after the callbacks of all pending packets.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_disconnect: Callable[[Disconnect], None],
    ) -> None: ...

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect; return whether the broker has kept the session.

        Raises:
            ConnectAttemptError: there is no connection.
        """
        ...

    def publish(self, packet: Packet, on_ack: OnAck) -> None:
        """Send a message; with QoS 0 it counts as acknowledged when it was written to the socket."""
        ...

    def subscribe(self, topic_filter: str, qos: int, on_ack: OnAck) -> None:
        """Subscribe to a topic filter."""
        ...

    def unsubscribe(self, topic_filter: str, on_ack: OnAck) -> None:
        """Unsubscribe from a topic filter."""
        ...

    async def close(self) -> None:
        """Disconnect in any state within five seconds, and release awscrt's objects; no callback runs afterwards."""
        ...


def reason_text(code: int | None, text: str | None) -> str:
    """Return a reason code with its name and the broker's reason string, as ``0x87 NOT_AUTHORIZED``."""
    if code is None:
        return text or "an unknown reason code"
    name = next((kind(code).name for kind in _REASON_CODES if code in kind.__members__.values()), "")
    return " ".join(part for part in (f"{code:#04x}", name, text and f"({text})") if part)


class LoopBridge:
    """Runs calls from other threads on the loop, in order.

    Waking the loop costs more than most calls, and takes the GIL from the calling thread. Therefore calls wake an idle
    loop each time, but a busy loop only once per batch. After a millisecond the loop runs an incomplete batch itself.

    Args:
        loop: the event loop.
        pending: returns the number of calls to expect; a high number makes the loop count as busy.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pending: Callable[[], int] = lambda: 0) -> None:
        self._loop = loop
        self._pending = pending
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._batch = 1
        self._awake = False
        self._timer: asyncio.TimerHandle | None = None

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run a function on the loop; any thread may call this."""
        self._calls.append((function, arguments))
        if not self._awake and len(self._calls) >= self._batch and not self._loop.is_closed():
            self._awake = True
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._awake = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        number = min(len(self._calls), _MAX_CALLS_PER_RUN)
        for _ in range(number):
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - a failed call must not stop the others
                self._loop.call_exception_handler({"message": "a call from another thread failed", "exception": error})
        # Run the tasks that these calls resume first, because they determine how many calls to expect.
        self._loop.call_soon(self._size_next_batch, number)

    def _size_next_batch(self, done: int) -> None:
        expected = max(done, self._pending()) if done else 0
        self._batch = min(_MAX_BATCH, expected // 2) if expected >= _BUSY_CALLS else 1
        self._awake = False
        if len(self._calls) >= self._batch:
            self._awake = True
            self._loop.call_soon(self._run)
        elif self._batch > 1:
            self._timer = self._loop.call_later(_BATCH_TIMEOUT_SECONDS, self._run)
