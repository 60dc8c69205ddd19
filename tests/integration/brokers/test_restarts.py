"""A broker that is killed and started again while messages are pending in both directions.

A recorder between client and broker records what the client sent, and what the broker acknowledged and delivered.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pubsub_client import ConnectionState, MqttOverWebSocket, PubSub, Subscription
from pubsub_client.exceptions import PubSubError
from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports, amqtt, mosquitto
from tests.integration.brokers.reading import SECONDS, next_of, watching
from tests.integration.brokers.recorder import Packet, recorder_to

TOPICS = ("load/a", "load/b", "load/c")
IN_FLIGHT = 10
"""The maximum number of unacknowledged messages per topic."""
BETWEEN = 50
"""The number of new messages between two restarts."""
RECONNECT_DELAY = (0.02, 0.2)
"""Seconds; short to save time."""
OPEN_FILES = Path("/dev/fd")


class Load:
    """Publishes ascending numbers to each topic, and receives them."""

    def __init__(self, pubsub: PubSub, messages: Subscription) -> None:
        self.outcomes: dict[tuple[str, int], PubSubError | None] = {}
        """The error of each message; None for an acknowledgement."""
        self.received: list[tuple[str, int]] = []
        self._pubsub = pubsub
        self._messages = messages
        self._begun = dict.fromkeys(TOPICS, 0)
        self._stopping = False
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._publishing = asyncio.gather(*(self._publish(topic) for topic in TOPICS))

    async def until_messages_arrive(self) -> None:
        """Wait until messages arrive that are published from now on."""
        begun, seen = dict(self._begun), len(self.received)
        await self._until(lambda: sum(number >= begun[topic] for topic, number in self.received[seen:]) >= BETWEEN)

    async def stop(self) -> None:
        """Stop publishing, and wait until the last messages have arrived."""
        self._stopping = True
        async with asyncio.timeout(SECONDS):
            await self._publishing
        last = {(topic, number - 1) for topic, number in self._begun.items()}
        await self._until(lambda: last <= set(self.received))

    async def end(self) -> None:
        """Wait until the reader has ended; the connection is closed."""
        async with asyncio.timeout(SECONDS):
            await self._reading

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not reached():
                self._arrived.clear()
                await self._arrived.wait()

    async def _publish(self, topic: str) -> None:
        slots = asyncio.Semaphore(IN_FLIGHT)
        async with asyncio.TaskGroup() as tasks:
            for number in itertools.count():
                await slots.acquire()
                if self._stopping:
                    return
                tasks.create_task(self._publish_one(topic, number, slots))

    async def _publish_one(self, topic: str, number: int, slots: asyncio.Semaphore) -> None:
        self._begun[topic] = number + 1
        try:
            await self._pubsub.publish(topic, number)
            self.outcomes[topic, number] = None
        except PubSubError as error:
            self.outcomes[topic, number] = error
        finally:
            slots.release()

    async def _read(self) -> None:
        async for message in self._messages:
            self.received.append((message.topic, message.payload))
            self._arrived.set()


@pytest.mark.parametrize(("start", "restarts"), [(mosquitto, 8), (amqtt, 2)])
async def test_no_message_is_lost_when_the_broker_is_killed_under_load(
    start: Callable[[Path, Ports], AbstractContextManager[BrokerProcess]],
    restarts: int,
    tmp_path: Path,
    ports: Ports,
) -> None:
    with start(tmp_path, ports) as broker:
        async with PubSub(MqttOverWebSocket(broker.url())):
            pass  # awscrt opens its shared descriptors for the first connection
        async with recorder_to(ports.websocket) as recorder:
            before = open_resources()
            provider = MqttOverWebSocket(f"ws://{HOST}:{recorder.port}/mqtt")
            async with (
                PubSub(provider, reconnect_delay=RECONNECT_DELAY) as pubsub,
                pubsub.subscribe("load/+", qos=1, buffer=100_000) as messages,
            ):
                load = Load(pubsub, messages)
                for _ in range(restarts):
                    await load.until_messages_arrive()
                    await asyncio.to_thread(broker.restart)
                await load.until_messages_arrive()
                await load.stop()
            await load.end()
            await until_released(before)
    connections = [connection for connection in recorder.connections if connection.accepted]
    published = [[numbered(packet) for packet in connection.published] for connection in connections]
    unacknowledged = [{numbered(packet) for packet in each.unacknowledged.values()} for each in connections]
    assert len(connections) == restarts + 1
    assert any(unacknowledged)
    # The broker has acknowledged every message.
    acknowledged = {numbered(packet) for connection in connections for packet in connection.acknowledged}
    assert not [error for error in load.outcomes.values() if error]
    assert set(load.outcomes) == acknowledged
    # Unacknowledged messages are sent again.
    for index, missing in enumerate(unacknowledged):
        assert missing <= set(itertools.chain(*published[index + 1 :]))
    # All delivered messages are received once and in order.
    assert load.received == [numbered(packet) for connection in connections for packet in connection.delivered]
    assert messages.dropped == 0
    # Messages to a topic are sent and received in the order of the calls, on every connection.
    for sent in (*published, list(dict.fromkeys(load.received))):
        for numbers in by_topic(sent).values():
            assert numbers == sorted(numbers)
    # Each connection has subscribed again.
    assert [connection.subscribed for connection in connections] == [["load/+"]] * len(connections)


async def test_message_published_before_the_broker_starts_is_sent_later(tmp_path: Path, ports: Ports) -> None:
    pubsub = PubSub(MqttOverWebSocket(f"ws://{HOST}:{ports.websocket}/mqtt"), reconnect_delay=RECONNECT_DELAY)
    pubsub.start()
    async with watching(pubsub) as until:
        publishing = asyncio.create_task(pubsub.publish("early", "bird", retain=True))
        await until(ConnectionState.DISCONNECTED)
        with mosquitto(tmp_path, ports):
            async with asyncio.timeout(SECONDS):
                await publishing
            async with pubsub.subscribe("early") as messages:
                assert (await next_of(messages)).payload == "bird"
            await pubsub.close()


def numbered(packet: Packet) -> tuple[str, int]:
    return packet.topic, int(packet.payload)


def by_topic(messages: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for topic, number in messages:
        numbers.setdefault(topic, []).append(number)
    return numbers


def open_resources() -> tuple[set[asyncio.Task[object]], int]:
    """Return the tasks and the number of open files, which a closed client must release."""
    return asyncio.all_tasks(), len(list(OPEN_FILES.iterdir()))


async def until_released(before: tuple[set[asyncio.Task[object]], int]) -> None:
    """Wait until all new resources are released; awscrt closes sockets in its own threads."""
    deadline = time.monotonic() + SECONDS
    while (now := open_resources())[0] - before[0] or now[1] > before[1]:
        assert time.monotonic() < deadline, f"not released: {now[0] - before[0]}, {now[1] - before[1]} files"
        await asyncio.sleep(0.01)
