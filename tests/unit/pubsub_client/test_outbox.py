"""The outbox: order, resending, limits and timeouts while connections are opened and lost."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from pubsub_client._messages import Packet
from pubsub_client._outbox import Outbox, OutboxOptions
from pubsub_client._transport import Ack, DisconnectedError, OnAck
from pubsub_client.exceptions import ConnectionLost, QueueFull

LOST = Ack(error=DisconnectedError("the network failed"))


class Wire:
    """A connection whose acknowledgements and end the test controls."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self._pending: list[OnAck] = []

    def send(self, packet: Packet, on_ack: OnAck) -> None:
        self.sent.append(int(packet.payload))
        self._pending.append(on_ack)

    def acknowledge(self, number: int = 1) -> None:
        for _ in range(number):
            self._pending.pop(0)(Ack())

    def drop(self, outbox: Outbox) -> None:
        pending, self._pending = self._pending, []
        for on_ack in pending:
            on_ack(LOST)
        outbox.suspend("the network failed")


def outbox_of(size: int = 100, *, raise_when_full: bool = False, attempts: int = 3, seconds: float = 30.0) -> Outbox:
    return Outbox(OutboxOptions(size, raise_when_full, attempts, seconds))


def enqueued(outbox: Outbox, *numbers: int, qos: int = 1) -> list[asyncio.Future[Ack]]:
    """Enqueue messages in order, and return their acknowledgements."""
    return [outbox.enqueue(Packet("t", b"%d" % each, qos, retain=False)) for each in numbers]


async def test_unacknowledged_messages_are_sent_again_first_and_in_order() -> None:
    outbox, wire, next_wire = outbox_of(), Wire(), Wire()
    outbox.resume(wire.send)
    tasks = enqueued(outbox, 1, 2, 3)
    wire.acknowledge()
    wire.drop(outbox)
    tasks += enqueued(outbox, 4)
    outbox.resume(next_wire.send)
    tasks += enqueued(outbox, 5)
    next_wire.acknowledge(4)
    await asyncio.gather(*tasks)
    assert next_wire.sent == [2, 3, 4, 5]


async def test_new_message_does_not_overtake_one_that_is_sent_alone() -> None:
    outbox, wire = outbox_of(), Wire()
    answers = enqueued(outbox, 1, 2)
    for _ in range(2):
        sent: list[OnAck] = []
        outbox.resume(partial(_keep, sent))
        sent[0](Ack(error=DisconnectedError("the network failed", was_sent=False)))
        sent[1](LOST)
        outbox.suspend("the network failed")
    outbox.resume(wire.send)
    answers += enqueued(outbox, 3)
    assert wire.sent == [1]
    wire.acknowledge()
    assert wire.sent == [1, 2]
    wire.acknowledge()
    wire.acknowledge()
    assert await asyncio.gather(*answers) == [Ack()] * 3


def _keep(sent: list[OnAck], _packet: Packet, on_ack: OnAck) -> None:
    sent.append(on_ack)


@pytest.mark.parametrize("size", [1, 5000])
async def test_long_queue_is_sent_in_order_when_send_acknowledges_at_once(size: int) -> None:
    numbers = range(5000)
    outbox, sent = outbox_of(size), []

    def send(packet: Packet, on_ack: OnAck) -> None:
        sent.append(int(packet.payload))
        on_ack(Ack())

    answers = enqueued(outbox, *numbers)
    outbox.resume(send)
    assert sent == list(numbers)
    assert [each.result() for each in answers] == [Ack()] * len(numbers)


async def test_queue_is_not_sent_on_a_connection_lost_meanwhile() -> None:
    outbox, wire, sent = outbox_of(), Wire(), []

    def send(packet: Packet, on_ack: OnAck) -> None:
        sent.append(int(packet.payload))
        on_ack(Ack() if packet.payload == b"1" else LOST)

    answers = enqueued(outbox, 1, 2, 3)
    outbox.resume(send)
    assert sent == [1, 2]
    outbox.suspend("the network failed")
    outbox.resume(wire.send)
    assert wire.sent == [2, 3]
    wire.acknowledge(2)
    assert await asyncio.gather(*answers) == [Ack()] * 3


async def test_qos_0_message_is_not_sent_again() -> None:
    outbox, wire, next_wire = outbox_of(), Wire(), Wire()
    outbox.resume(wire.send)
    (task,) = enqueued(outbox, 1, qos=0)
    wire.drop(outbox)
    outbox.resume(next_wire.send)
    assert await task == LOST
    assert next_wire.sent == []


async def test_message_that_ends_every_connection_fails_alone() -> None:
    poison, sent = 2, []
    outbox = outbox_of(attempts=3)
    tasks = enqueued(outbox, 1, poison, 3, 4)
    for _ in range(4):
        wire = Wire()
        outbox.resume(wire.send)
        sent.append(wire.sent)
        for number in wire.sent:  # grows while messages are acknowledged
            if number == poison:
                wire.drop(outbox)
                break
            wire.acknowledge()
        await asyncio.sleep(0)
    assert sent == [[1, 2, 3, 4], [2, 3, 4], [2], [3, 4]]
    answers = [task.result() for task in tasks]
    assert answers == [Ack(), LOST, Ack(), Ack()]


async def test_full_outbox_rejects_further_messages_if_configured() -> None:
    outbox = outbox_of(2, raise_when_full=True)
    cancelled, kept, rejected = enqueued(outbox, 1, 2, 3)
    with pytest.raises(QueueFull, match="2 messages are waiting or unacknowledged"):
        await rejected
    cancelled.cancel()
    (accepted,) = enqueued(outbox, 4)
    wire = Wire()
    outbox.resume(wire.send)
    wire.acknowledge(2)
    assert (await kept, await accepted) == (Ack(), Ack())
    assert wire.sent == [2, 4]


async def test_full_outbox_sends_further_messages_later_in_order() -> None:
    outbox, wire = outbox_of(2), Wire()
    outbox.resume(wire.send)
    enqueued(outbox, 1, 2, 3, 4)
    assert wire.sent == [1, 2]
    wire.acknowledge()
    assert wire.sent == [1, 2, 3]


async def test_message_without_connection_fails_after_the_timeout_with_the_reason() -> None:
    outbox, wire = outbox_of(seconds=0.01), Wire()
    outbox.resume(wire.send)
    (lost,) = enqueued(outbox, 1)
    wire.drop(outbox)
    (unsent,) = enqueued(outbox, 2)
    reason = r"not connected within 0\.01 s; last reason: the network failed"
    with pytest.raises(ConnectionLost, match=f"{reason}; the broker may have received the message"):
        await lost
    with pytest.raises(ConnectionLost, match=f"{reason}; the message was not sent"):
        await unsent


async def test_failed_attempts_do_not_extend_the_timeout() -> None:
    outbox = outbox_of(seconds=0.05)
    (task,) = enqueued(outbox, 1)
    async with asyncio.timeout(30):
        while not task.done():
            outbox.suspend("refused")
            await asyncio.sleep(0.01)
    assert isinstance(task.exception(), ConnectionLost)


async def test_cancelled_message_is_not_sent() -> None:
    outbox, wire = outbox_of(), Wire()
    cancelled, kept = enqueued(outbox, 1, 2)
    cancelled.cancel()
    await asyncio.sleep(0)
    outbox.resume(wire.send)
    assert wire.sent == [2]
    wire.acknowledge()
    await kept


async def test_close_fails_waiting_and_further_messages() -> None:
    outbox, wire = outbox_of(), Wire()
    (waiting,) = enqueued(outbox, 1)
    await outbox.close("the connection is closed", 5)
    with pytest.raises(ConnectionLost, match="is closed; the message was not sent"):
        await waiting
    with pytest.raises(ConnectionLost, match="is closed"):
        await outbox.enqueue(Packet("t", b"2", 1, retain=False))
    assert wire.sent == []


async def test_close_waits_for_pending_acks_and_rejects_new_messages() -> None:
    outbox, wire = outbox_of(), Wire()
    outbox.resume(wire.send)
    (under_way,) = enqueued(outbox, 1)
    closing = asyncio.create_task(outbox.close("the connection is closed", 5))
    await asyncio.sleep(0)
    (too_late,) = enqueued(outbox, 2)
    wire.acknowledge()
    await closing
    assert await under_way == Ack()
    assert isinstance(too_late.exception(), ConnectionLost)
    assert wire.sent == [1]


async def test_close_fails_messages_that_are_never_acknowledged() -> None:
    outbox, wire = outbox_of(), Wire()
    outbox.resume(wire.send)
    (under_way,) = enqueued(outbox, 1)
    await outbox.close("the connection is closed", 0.01)
    wire.drop(outbox)
    with pytest.raises(ConnectionLost, match="the broker may have received the message"):
        await under_way


async def test_unsent_message_keeps_its_attempts() -> None:
    outbox, wire = outbox_of(attempts=1), Wire()
    unsent = Ack(error=DisconnectedError("there is no connection", was_sent=False))
    outbox.resume(lambda _, on_ack: on_ack(unsent))
    (task,) = enqueued(outbox, 1)
    outbox.suspend("there is no connection")
    outbox.resume(wire.send)
    wire.acknowledge()
    assert await task == Ack()
