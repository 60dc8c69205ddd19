"""What becomes of messages while connections come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from pubsub_client._messages import Packet
from pubsub_client._outbox import Outbox, OutboxOptions
from pubsub_client._transport import Ack, DisconnectedError
from pubsub_client.exceptions import ConnectionLost, QueueFull

GONE = Ack(error=DisconnectedError("the line is dead"))


class Wire:
    """A connection: what was sent on it, to be answered by the test."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self._unanswered: list[Callable[[Ack], None]] = []

    def send(self, packet: Packet, answered: Callable[[Ack], None]) -> None:
        self.sent.append(int(packet.payload))
        self._unanswered.append(answered)

    def acknowledge(self, number: int = 1) -> None:
        for _ in range(number):
            self._unanswered.pop(0)(Ack())

    def drop(self, outbox: Outbox) -> None:
        unanswered, self._unanswered = self._unanswered, []
        for answered in unanswered:
            answered(GONE)
        outbox.suspend("the line is dead")


def outbox_of(size: int = 100, *, refuse: bool = False, attempts: int = 3, seconds: float = 30.0) -> Outbox:
    return Outbox(OutboxOptions(size, refuse, attempts, seconds))


def posted(outbox: Outbox, *numbers: int, qos: int = 1) -> list[asyncio.Future[Ack]]:
    """Post messages, one after the other, and return what is to come of them."""
    return [outbox.enqueue(Packet("t", b"%d" % each, qos, retain=False)) for each in numbers]


async def test_a_message_is_answered_when_it_is_acknowledged() -> None:
    outbox, wire = outbox_of(), Wire()
    outbox.resume(wire.send)
    first, second = posted(outbox, 1, 2)
    wire.acknowledge()
    assert await first == Ack()
    assert not second.done()


async def test_what_is_posted_before_the_connection_is_sent_when_it_comes_in_order() -> None:
    outbox, wire = outbox_of(), Wire()
    before = posted(outbox, 1, 2)
    outbox.resume(wire.send)
    after = posted(outbox, 3)
    wire.acknowledge(3)
    await asyncio.gather(*before, *after)
    assert wire.sent == [1, 2, 3]


async def test_what_was_not_acknowledged_is_sent_again_first_and_in_order() -> None:
    outbox, wire, next_wire = outbox_of(), Wire(), Wire()
    outbox.resume(wire.send)
    tasks = posted(outbox, 1, 2, 3)
    wire.acknowledge()
    wire.drop(outbox)
    tasks += posted(outbox, 4)
    outbox.resume(next_wire.send)
    tasks += posted(outbox, 5)
    next_wire.acknowledge(4)
    await asyncio.gather(*tasks)
    assert next_wire.sent == [2, 3, 4, 5]


async def test_new_message_does_not_overtake_one_that_waits_to_be_sent_alone() -> None:
    outbox, wire = outbox_of(), Wire()
    answers = posted(outbox, 1, 2)
    for _ in range(2):
        sent: list[Callable[[Ack], None]] = []
        outbox.resume(partial(_keep, sent))
        sent[0](Ack(error=DisconnectedError("the line is dead", was_sent=False)))
        sent[1](GONE)
        outbox.suspend("the line is dead")
    outbox.resume(wire.send)
    answers += posted(outbox, 3)
    assert wire.sent == [1]
    wire.acknowledge()
    assert wire.sent == [1, 2]
    wire.acknowledge()
    wire.acknowledge()
    assert await asyncio.gather(*answers) == [Ack()] * 3


def _keep(sent: list[Callable[[Ack], None]], _packet: Packet, answered: Callable[[Ack], None]) -> None:
    sent.append(answered)


@pytest.mark.parametrize("size", [1, 5000])
async def test_a_connection_that_answers_before_it_returns_is_given_a_long_queue_in_order(size: int) -> None:
    numbers = range(5000)
    outbox, sent = outbox_of(size), []

    def send(packet: Packet, answered: Callable[[Ack], None]) -> None:
        sent.append(int(packet.payload))
        answered(Ack())

    answers = posted(outbox, *numbers)
    outbox.resume(send)
    assert sent == list(numbers)
    assert [each.result() for each in answers] == [Ack()] * len(numbers)


async def test_a_connection_that_goes_while_a_queue_is_handed_over_is_given_no_more_of_it() -> None:
    outbox, wire, sent = outbox_of(), Wire(), []

    def send(packet: Packet, answered: Callable[[Ack], None]) -> None:
        sent.append(int(packet.payload))
        answered(Ack() if packet.payload == b"1" else GONE)

    answers = posted(outbox, 1, 2, 3)
    outbox.resume(send)
    assert sent == [1, 2]
    outbox.suspend("the line is dead")
    outbox.resume(wire.send)
    assert wire.sent == [2, 3]
    wire.acknowledge(2)
    assert await asyncio.gather(*answers) == [Ack()] * 3


async def test_a_message_with_qos_0_is_not_sent_again() -> None:
    outbox, wire, next_wire = outbox_of(), Wire(), Wire()
    outbox.resume(wire.send)
    (task,) = posted(outbox, 1, qos=0)
    wire.drop(outbox)
    outbox.resume(next_wire.send)
    assert await task == GONE
    assert next_wire.sent == []


async def test_the_message_that_ends_every_connection_is_given_up_and_takes_no_other_with_it() -> None:
    poison, sent = 2, []
    outbox = outbox_of(attempts=3)
    tasks = posted(outbox, 1, poison, 3, 4)
    for _ in range(4):
        wire = Wire()
        outbox.resume(wire.send)
        sent.append(wire.sent)
        for number in wire.sent:  # which grows as messages are acknowledged
            if number == poison:
                wire.drop(outbox)
                break
            wire.acknowledge()
        await asyncio.sleep(0)
    assert sent == [[1, 2, 3, 4], [2, 3, 4], [2], [3, 4]]
    answers = [task.result() for task in tasks]
    assert answers == [Ack(), GONE, Ack(), Ack()]


async def test_with_one_attempt_a_lost_message_is_answered_at_once() -> None:
    outbox, wire = outbox_of(attempts=1), Wire()
    outbox.resume(wire.send)
    (task,) = posted(outbox, 1)
    wire.drop(outbox)
    assert await task == GONE


async def test_a_full_queue_refuses_what_there_is_no_room_for() -> None:
    outbox = outbox_of(2, refuse=True)
    cancelled, kept, refused = posted(outbox, 1, 2, 3)
    with pytest.raises(QueueFull, match="2 messages wait or are unacknowledged"):
        await refused
    cancelled.cancel()
    (taken,) = posted(outbox, 4)
    wire = Wire()
    outbox.resume(wire.send)
    wire.acknowledge(2)
    assert (await kept, await taken) == (Ack(), Ack())
    assert wire.sent == [2, 4]


async def test_a_full_queue_lets_wait_what_there_is_no_room_for_in_order() -> None:
    outbox, wire = outbox_of(2), Wire()
    outbox.resume(wire.send)
    posted(outbox, 1, 2, 3, 4)
    assert wire.sent == [1, 2]
    wire.acknowledge()
    assert wire.sent == [1, 2, 3]


async def test_a_message_waits_for_a_connection_as_long_as_it_was_told_and_learns_why_there_is_none() -> None:
    outbox = outbox_of(seconds=0.01)
    outbox.suspend("the broker is asleep")
    with pytest.raises(ConnectionLost, match=r"no connection for 0\.01 s.*the broker is asleep; the message was not"):
        await outbox.enqueue(Packet("t", b"1", 1, retain=False))


async def test_a_message_lost_on_the_way_says_that_the_broker_may_have_it() -> None:
    outbox, wire = outbox_of(seconds=0.01), Wire()
    outbox.resume(wire.send)
    (task,) = posted(outbox, 1)
    wire.drop(outbox)
    with pytest.raises(ConnectionLost, match="whether the broker has the message is not known"):
        await task


async def test_the_time_to_wait_begins_when_the_connection_goes_and_not_again_with_each_failed_attempt() -> None:
    outbox = outbox_of(seconds=0.05)
    (task,) = posted(outbox, 1)
    async with asyncio.timeout(5):
        while not task.done():
            outbox.suspend("refused")
            await asyncio.sleep(0.01)
    assert isinstance(task.exception(), ConnectionLost)


async def test_a_message_that_nobody_waits_for_any_more_is_not_sent() -> None:
    outbox, wire = outbox_of(), Wire()
    cancelled, kept = posted(outbox, 1, 2)
    cancelled.cancel()
    await asyncio.sleep(0)
    outbox.resume(wire.send)
    assert wire.sent == [2]
    wire.acknowledge()
    await kept


async def test_closing_gives_up_what_waits_and_takes_nothing_any_more() -> None:
    outbox, wire = outbox_of(), Wire()
    (waiting,) = posted(outbox, 1)
    await outbox.close("the connection is closed", 5)
    with pytest.raises(ConnectionLost, match="is closed; the message was not sent"):
        await waiting
    with pytest.raises(ConnectionLost, match="is closed"):
        await outbox.enqueue(Packet("t", b"2", 1, retain=False))
    assert wire.sent == []


async def test_closing_waits_for_what_is_under_way_but_takes_nothing_meanwhile() -> None:
    outbox, wire = outbox_of(), Wire()
    outbox.resume(wire.send)
    (under_way,) = posted(outbox, 1)
    closing = asyncio.create_task(outbox.close("the connection is closed", 5))
    await asyncio.sleep(0)
    (too_late,) = posted(outbox, 2)
    wire.acknowledge()
    await closing
    assert await under_way == Ack()
    assert isinstance(too_late.exception(), ConnectionLost)
    assert wire.sent == [1]


async def test_closing_gives_up_what_is_never_acknowledged_whatever_the_connection_says_afterwards() -> None:
    outbox, wire = outbox_of(), Wire()
    outbox.resume(wire.send)
    (under_way,) = posted(outbox, 1)
    await outbox.close("the connection is closed", 0.01)
    wire.drop(outbox)
    with pytest.raises(ConnectionLost, match="whether the broker has the message is not known"):
        await under_way


async def test_a_message_that_was_not_sent_after_all_has_lost_none_of_its_attempts() -> None:
    outbox, wire = outbox_of(attempts=1), Wire()
    unsent = Ack(error=DisconnectedError("there is no connection", was_sent=False))
    outbox.resume(lambda _, answered: answered(unsent))
    (task,) = posted(outbox, 1)
    outbox.suspend("there is no connection")
    outbox.resume(wire.send)
    wire.acknowledge()
    assert await task == Ack()


async def test_nothing_is_sent_beside_a_message_that_was_lost_twice() -> None:
    outbox = outbox_of()
    (lost_twice,) = posted(outbox, 1)
    for _ in range(2):
        wire = Wire()
        outbox.resume(wire.send)
        wire.drop(outbox)
    wire = Wire()
    outbox.resume(wire.send)
    posted(outbox, 2)
    assert wire.sent == [1]
    wire.acknowledge()
    assert await lost_twice == Ack()
    assert wire.sent == [1, 2]
