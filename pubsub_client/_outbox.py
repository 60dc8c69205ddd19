"""The bounded queue of messages from ``publish()`` to their acknowledgement, which survives lost connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pubsub_client._messages import Packet
from pubsub_client._transport import Ack, DisconnectedError, OnAck
from pubsub_client.exceptions import ConnectionLost, QueueFull

Send = Callable[[Packet, OnAck], None]


@dataclass(frozen=True)
class OutboxOptions:
    """The limits of an outbox.

    Args:
        size: the maximum number of unacknowledged messages; further messages wait.
        raise_when_full: whether further messages fail instead of waiting. Messages that wait for a connection then
            count too.
        attempts: how often a message with QoS 1 is sent if the connection is lost before its acknowledgement.
        timeout: how many seconds a message waits for a connection.
    """

    size: int
    raise_when_full: bool
    attempts: int
    timeout: float


@dataclass(eq=False, slots=True)
class QueuedMessage:
    """A message and the future of its acknowledgement; ``losses`` counts the connections lost before it."""

    packet: Packet
    ack: asyncio.Future[Ack]
    deadline: float | None = None
    losses: int = 0


class Outbox:
    """Sends messages while there is a connection, and keeps them while there is none.

    A broker may end the connection each time it receives a certain message. Resending that message forever would block
    all others. Therefore a message that was lost twice is sent alone, and fails after its last attempt.
    """

    def __init__(self, options: OutboxOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._send: Send | None = None
        self._sent: dict[QueuedMessage, None] = {}
        self._exclusive = False
        """Whether the message that was sent last is sent alone."""
        self._lost: list[QueuedMessage] = []
        self._waiting: deque[QueuedMessage] = deque()
        self._reason: str | None = None
        self._closed: str | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._sending = False

    def enqueue(self, packet: Packet) -> asyncio.Future[Ack]:
        """Send a message, or queue it until there is a connection and it is its turn.

        Returns:
            A future of the acknowledgement. It fails with QueueFull if the outbox is full and does not wait, and with
            ConnectionLost if there is no connection in time or the outbox is closed.
        """
        message = QueuedMessage(packet, self._loop.create_future())
        if self._closed:
            message.ack.set_exception(ConnectionLost(self._closed))
        elif self._options.raise_when_full and self._is_full():
            message.ack.set_exception(QueueFull(packet.topic, self._options.size))
        elif self._send and not self._waiting and self._may_send(message):
            self._transmit(self._send, message)
        else:
            self._waiting.append(message)
            if not self._send:
                message.deadline = self._loop.time() + self._options.timeout
                self._expire()
        return message.ack

    def resume(self, send: Send) -> None:
        """Send queued and further messages on a new connection."""
        self._send = send
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        for message in self._waiting:
            message.deadline = None
        self._send_waiting()

    def suspend(self, reason: str) -> None:
        """Keep messages until the next connection; all messages of the previous connection have completed."""
        self._send = None
        self._reason = reason
        self._waiting.extendleft(reversed(self._lost))
        self._lost.clear()
        for message in self._waiting:
            message.deadline = message.deadline or self._loop.time() + self._options.timeout
        self._expire()

    async def close(self, reason: str, seconds: float) -> None:
        """Reject further messages, wait for pending acknowledgements, and fail the remaining messages."""
        self._closed = reason
        try:
            if self._send and (pending := [message.ack for message in (*self._sent, *self._waiting)]):
                await asyncio.wait(pending, timeout=seconds)
        finally:
            self.end(reason)

    def end(self, reason: str) -> None:
        """Reject further messages, and fail the remaining messages at once."""
        self._closed = reason
        self._send = None
        if self._expiry:
            self._expiry.cancel()
        for message in (*self._sent, *self._lost, *self._waiting):
            self._fail(message, reason)
        self._lost.clear()
        self._waiting.clear()

    def _is_full(self) -> bool:
        if self._count() >= self._options.size:
            self._waiting = deque(message for message in self._waiting if not message.ack.done())
        return self._count() >= self._options.size

    def _count(self) -> int:
        return len(self._sent) + len(self._lost) + len(self._waiting)

    def _send_waiting(self) -> None:
        """Send the waiting messages in order.

        ``send`` may complete a message before it returns, and ``_on_ack`` then calls this again. That call does
        nothing, so that the stack does not grow with the queue.
        """
        if self._sending:
            return
        self._sending = True
        try:
            while self._send and self._waiting and self._may_send(self._waiting[0]):
                message = self._waiting.popleft()
                if not message.ack.done():
                    self._transmit(self._send, message)
        finally:
            self._sending = False

    def _may_send(self, message: QueuedMessage) -> bool:
        """Return whether there is room, and neither this message nor a sent message must be sent alone."""
        if not self._sent:
            return True
        return not self._exclusive and message.losses <= 1 and len(self._sent) < self._options.size

    def _transmit(self, send: Send, message: QueuedMessage) -> None:
        self._sent[message] = None
        self._exclusive = message.losses > 1
        send(message.packet, partial(self._on_ack, message))

    def _on_ack(self, message: QueuedMessage, ack: Ack) -> None:
        del self._sent[message]
        if isinstance(ack.error, DisconnectedError):
            self._send = None
            message.losses += ack.error.was_sent
            if message.packet.qos and message.losses < self._options.attempts and not message.ack.done():
                self._lost.append(message)
                return
        if not message.ack.done():
            message.ack.set_result(ack)
        if self._waiting:
            self._send_waiting()

    def _expire(self) -> None:
        """Fail the messages after their deadline, and schedule the next check."""
        while self._waiting and (deadline := self._waiting[0].deadline):
            if deadline > self._loop.time():
                if self._expiry is None or self._expiry.cancelled() or self._expiry.when() <= self._loop.time():
                    self._expiry = self._loop.call_at(deadline, self._expire)
                return
            because = f"; last reason: {self._reason}" if self._reason else ""
            self._fail(self._waiting.popleft(), f"not connected within {self._options.timeout:g} s{because}")

    def _fail(self, message: QueuedMessage, reason: str) -> None:
        if not message.ack.done():
            sent = message.losses > 0 or message in self._sent
            known = "the broker may have received the message" if sent else "the message was not sent"
            message.ack.set_exception(ConnectionLost(f"{reason}; {known}"))
