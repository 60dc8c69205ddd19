"""Messages from `publish()` until they are acknowledged: bounded, in order, and sent again when the connection goes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pubsub_client._link import Answer, DroppedError, Packet
from pubsub_client.exceptions import ConnectionLost, QueueFull

if TYPE_CHECKING:
    Send = Callable[[Packet, Callable[[Answer], None]], None]


@dataclass(frozen=True)
class OutboxOptions:
    """How many messages are kept, and how long.

    Args:
        size: messages that may be unacknowledged at a time; what is posted beyond waits its turn.
        refuse_when_full: whether it is refused instead; then those that wait for a connection count too.
        attempts: how often a message with QoS 1 is sent when the connection goes each time before its acknowledgement.
        seconds: how long a message waits for a connection.
    """

    size: int
    refuse_when_full: bool
    attempts: int
    seconds: float


@dataclass(eq=False, slots=True)
class _Letter:
    """A message, and who waits for its answer; a loss is a connection that went while it was unanswered."""

    packet: Packet
    answer: asyncio.Future[Answer]
    deadline: float | None = None
    losses: int = 0


class Outbox:
    """Sends messages while there is a connection, and keeps them while there is none.

    A message after which the broker drops the connection each time would be sent for ever, and take the others with
    it. So one that was lost twice is sent alone, and when its attempts are used up it is given up.
    """

    def __init__(self, options: OutboxOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._send: Send | None = None
        self._sent: dict[_Letter, None] = {}
        self._is_alone = False
        """Whether the message that was sent last was lost twice before."""
        self._lost: list[_Letter] = []
        self._waiting: deque[_Letter] = deque()
        self._reason: str | None = None
        self._closed: str | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._handing_over = False

    def post(self, packet: Packet) -> asyncio.Future[Answer]:
        """Send a message as soon as there is a connection and its turn has come; return what is to come of it.

        The future raises QueueFull if there is no room and it is not to be waited for, and ConnectionLost if there is
        no connection in time or it is closed.
        """
        letter = _Letter(packet, self._loop.create_future())
        if self._closed:
            letter.answer.set_exception(ConnectionLost(self._closed))
            return letter.answer
        if self._options.refuse_when_full and self._is_full():
            letter.answer.set_exception(QueueFull(packet.topic, self._options.size))
            return letter.answer
        send = self._send
        if send and not self._waiting and self._may_send(letter):
            self._hand_over(send, letter)
            return letter.answer
        self._waiting.append(letter)
        if not send:
            letter.deadline = self._loop.time() + self._options.seconds
            self._expire()
        return letter.answer

    def open(self, send: Send) -> None:
        """Send what waits, and from now on what comes."""
        self._send = send
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        for letter in self._waiting:
            letter.deadline = None
        self._hand_over_more()

    def shut(self, reason: str) -> None:
        """Keep what comes: the connection went away, after everything on it was answered, or was not made."""
        self._send = None
        self._reason = reason
        self._waiting.extendleft(reversed(self._lost))
        self._lost.clear()
        for letter in self._waiting:
            letter.deadline = letter.deadline or self._loop.time() + self._options.seconds
        self._expire()

    async def close(self, reason: str, seconds: float) -> None:
        """Take nothing any more, let what is under way on a connection be answered, and give up what is left."""
        self._closed = reason
        try:
            if self._send and (under_way := [letter.answer for letter in (*self._sent, *self._waiting)]):
                await asyncio.wait(under_way, timeout=seconds)
        finally:
            self._send = None
            if self._expiry:
                self._expiry.cancel()
            for letter in (*self._sent, *self._lost, *self._waiting):
                self._give_up(letter, reason)
            self._lost.clear()
            self._waiting.clear()

    def _is_full(self) -> bool:
        """Tell whether there is no room, once those that nobody waits for any more have made some."""
        if self._kept() >= self._options.size:
            self._waiting = deque(letter for letter in self._waiting if not letter.answer.done())
        return self._kept() >= self._options.size

    def _kept(self) -> int:
        return len(self._sent) + len(self._lost) + len(self._waiting)

    def _hand_over_more(self) -> None:
        """Send the waiting messages, but send nothing while a message that was lost twice is unanswered.

        The connection may answer a message before `send` returns. That answer asks for more messages as well: it is
        served by the loop that is already running, so that the depth of the stack does not grow with the queue.
        """
        if self._handing_over:
            return
        self._handing_over = True
        try:
            while self._send and self._waiting and self._may_send(self._waiting[0]):
                letter = self._waiting.popleft()
                if not letter.answer.done():
                    self._hand_over(self._send, letter)
        finally:
            self._handing_over = False

    def _may_send(self, letter: _Letter) -> bool:
        """Whether there is room for a message, and neither it nor a sent one was lost twice."""
        if not self._sent:
            return True
        return not self._is_alone and letter.losses <= 1 and len(self._sent) < self._options.size

    def _hand_over(self, send: Send, letter: _Letter) -> None:
        self._sent[letter] = None
        self._is_alone = letter.losses > 1
        send(letter.packet, partial(self._answered, letter))

    def _answered(self, letter: _Letter, answer: Answer) -> None:
        del self._sent[letter]
        if isinstance(answer.error, DroppedError):
            self._send = None
            letter.losses += answer.error.was_sent
            if letter.packet.qos and letter.losses < self._options.attempts and not letter.answer.done():
                self._lost.append(letter)
                return
        if not letter.answer.done():
            letter.answer.set_result(answer)
        if self._waiting:
            self._hand_over_more()

    def _expire(self) -> None:
        """Give up what has waited long enough, and look again when the next has."""
        while self._waiting and (deadline := self._waiting[0].deadline):
            if deadline > self._loop.time():
                if self._expiry is None or self._expiry.cancelled() or self._expiry.when() <= self._loop.time():
                    self._expiry = self._loop.call_at(deadline, self._expire)
                return
            because = f", the last time because of this: {self._reason}" if self._reason else ""
            letter = self._waiting.popleft()
            self._give_up(letter, f"there has been no connection for {self._options.seconds:g} s{because}")

    def _give_up(self, letter: _Letter, reason: str) -> None:
        if not letter.answer.done():
            sent = letter.losses > 0 or letter in self._sent
            known = "whether the broker has the message is not known" if sent else "the message was not sent"
            letter.answer.set_exception(ConnectionLost(f"{reason}; {known}"))
