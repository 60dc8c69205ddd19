"""What the client makes of links that come and go; the links are the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from pubsub_client import ConnectionState, MqttOverWebSocket, PubSub, _connection
from pubsub_client._messages import Packet
from pubsub_client._provider import MqttVersion, Provider, UpgradeRequest
from pubsub_client._transport import Ack, ConnectAttemptError, ConnectOptions, Disconnect, DisconnectedError
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PubSubError, SubscribeRefused

SECONDS = 5.0
CUT = Disconnect(None, "the way was cut")


@dataclass
class Broker:
    """What the links made by it do, and have done."""

    links: list[FakeLink] = field(default_factory=list)
    session_present: Callable[[int], bool] = lambda _: False
    """Whether the session of a connection is there, by the connection's number."""
    acknowledges: bool = True
    drops_on_subscribe: Callable[[int, str], bool] = lambda _, __: False
    """Whether a connection ends when a topic filter is asked for, by the connection's number."""
    opens: Callable[[int], Exception | None] = lambda _: None
    """Why a connection is not made, by its number."""
    drops_at_once: Callable[[int], bool] = lambda _: False

    @property
    def up(self) -> FakeLink:
        return self.links[-1]


class FakeLink:
    """A link that does what its broker says."""

    def __init__(
        self,
        broker: Broker,
        _provider: Provider,
        options: ConnectOptions,
        _on_received: Callable[[Packet], None],
        on_dropped: Callable[[Disconnect], None],
    ) -> None:
        self.number = len(broker.links)
        self.options = options
        self.subscribed: list[str] = []
        self.unsubscribed: list[str] = []
        self.published: list[Packet] = []
        self.over = False
        self._broker = broker
        self._on_dropped = on_dropped
        self._unanswered: list[Callable[[Ack], None]] = []
        broker.links.append(self)

    async def open(self, _request: UpgradeRequest) -> bool:
        await asyncio.sleep(0)
        if error := self._broker.opens(self.number):
            raise error
        if self._broker.drops_at_once(self.number):
            self.drop()
        return self._broker.session_present(self.number)

    def publish(self, packet: Packet, answered: Callable[[Ack], None]) -> None:
        self.published.append(packet)
        self._answer(answered)

    def subscribe(self, topic_filter: str, _qos: int, answered: Callable[[Ack], None]) -> None:
        self.subscribed.append(topic_filter)
        if self._broker.drops_on_subscribe(self.number, topic_filter):
            self._unanswered.append(answered)
            self.drop()
        else:
            answered(Ack())

    def unsubscribe(self, topic_filter: str, answered: Callable[[Ack], None]) -> None:
        self.unsubscribed.append(topic_filter)
        answered(Ack())

    async def close(self) -> None:
        self.over = True
        self._answer_all("closed")

    def drop(self, drop: Disconnect = CUT) -> None:
        if not self.over:
            self.over = True
            self._answer_all(drop.reason)
            self._on_dropped(drop)

    def _answer(self, answered: Callable[[Ack], None]) -> None:
        if self._broker.acknowledges and not self.over:
            answered(Ack())
        else:
            self._unanswered.append(answered)

    def _answer_all(self, reason: str) -> None:
        unanswered, self._unanswered = self._unanswered, []
        for answered in unanswered:
            answered(Ack(error=DisconnectedError(reason)))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    made = {version: lambda *arguments: FakeLink(broker, *arguments) for version in MqttVersion}
    monkeypatch.setattr(_connection, "_TRANSPORTS", made)
    monkeypatch.setattr(_connection, "_DRAIN_SECONDS", 0.05)
    return broker


def client(**options: object) -> PubSub:
    provider = MqttOverWebSocket("ws://127.0.0.1:1/")
    return PubSub(provider, **{"reconnect_delay": (0.001, 0.002), "connect_timeout": 2.0, **options})  # type: ignore[arg-type]


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(SECONDS):
        yield


async def until_connected_again(broker: Broker, connections: int, pubsub: PubSub) -> None:
    async with in_time():
        while len(broker.links) < connections or pubsub.state is not ConnectionState.CONNECTED:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_no_publish_is_left_waiting_when_the_client_is_closed_beside_it(broker: Broker) -> None:
    async def publish_on_and_on() -> None:
        while True:
            await pubsub.publish("t", 1)
            await asyncio.sleep(0)

    async with client() as pubsub:
        publishing = [asyncio.create_task(publish_on_and_on()) for _ in range(20)]
        await asyncio.sleep(0.01)
    async with in_time():
        ended = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(each) for each in ended} == {ConnectionLost}
    assert broker.up.published


async def test_what_is_never_acknowledged_is_given_up_when_the_client_is_closed(broker: Broker) -> None:
    broker.acknowledges = False
    async with client() as pubsub:
        publishing = asyncio.create_task(pubsub.publish("t", 1))
        await asyncio.sleep(0)
    async with in_time():
        with pytest.raises(ConnectionLost, match="whether the broker has the message is not known"):
            await publishing


async def test_a_new_session_whose_subscriptions_were_not_answered_is_not_taken_for_the_old_one(broker: Broker) -> None:
    broker.session_present = lambda number: number == 2
    broker.drops_on_subscribe = lambda number, _: number == 1
    async with client(session_expiry=60) as pubsub, pubsub.subscribe("t/#"):
        broker.up.drop()
        await until_connected_again(broker, 3, pubsub)
    assert [link.subscribed for link in broker.links] == [["t/#"], ["t/#"], ["t/#"]]


async def test_a_client_that_is_closed_while_it_connects_may_connect_again(broker: Broker) -> None:
    def never(number: int) -> Exception | None:
        return ConnectAttemptError(OSError("nobody there")) if number == 0 else None

    broker.opens = never
    pubsub = client(reconnect_delay=(1, 1))
    pubsub.start()
    connecting = asyncio.create_task(pubsub.connect())
    await asyncio.sleep(0)
    await pubsub.close()
    with pytest.raises((ConnectionLost, ConnectionRefused)):
        await connecting
    await pubsub.connect()
    assert pubsub.state is ConnectionState.CONNECTED
    await pubsub.publish("t", 1)
    await pubsub.close()


async def test_whatever_fails_while_a_link_is_made_is_an_attempt_that_failed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the file of authorities has gone")

    async with client() as pubsub:
        good = dict(_connection._TRANSPORTS)
        monkeypatch.setattr(_connection, "_TRANSPORTS", dict.fromkeys(MqttVersion, broken))
        broker.up.drop()
        changes = pubsub.states()
        async with in_time():
            while "the file of authorities has gone" not in str((await anext(changes)).reason):
                pass
        monkeypatch.setattr(_connection, "_TRANSPORTS", good)
        await until_connected_again(broker, 2, pubsub)
        await pubsub.publish("t", 1)


async def test_a_connection_that_goes_at_once_is_never_told_as_up(broker: Broker) -> None:
    broker.drops_at_once = lambda _: True
    pubsub = client(connect_timeout=0.1)
    states: list[ConnectionState] = []

    async def watch() -> None:
        async for state, _ in pubsub.states():
            states.append(state)

    pubsub.start()
    watching = asyncio.create_task(watch())
    with pytest.raises(ConnectionRefused, match="the way was cut"):
        await pubsub.connect()
    await watching
    assert ConnectionState.CONNECTED not in states


async def test_messages_to_several_topics_go_before_what_is_published_after_them(broker: Broker) -> None:
    async with client() as pubsub:
        await asyncio.gather(pubsub.publish(["a", "b"], 1), pubsub.publish("a", 2))
        assert [(packet.topic, packet.payload) for packet in broker.up.published] == [
            ("a", b"1"),
            ("b", b"1"),
            ("a", b"2"),
        ]


async def test_a_topic_filter_that_ends_every_connection_is_refused_and_the_others_go_on(broker: Broker) -> None:
    denied = False
    broker.drops_on_subscribe = lambda _, topic_filter: denied and topic_filter == "denied"
    async with client() as pubsub, pubsub.subscribe("allowed"), pubsub.subscribe("denied") as readers:
        denied = True
        broker.up.drop()
        async with in_time():
            with pytest.raises(SubscribeRefused, match="on each attempt, the connection was lost"):
                await anext(readers)
        await until_connected_again(broker, 7, pubsub)
        await pubsub.publish("t", 1)


async def test_a_subscription_that_was_given_up_before_its_answer_is_given_back(broker: Broker) -> None:
    async with client() as pubsub:
        answers: list[Callable[[Ack], None]] = []
        broker.up.subscribe = lambda *asked: answers.append(asked[2])  # type: ignore[method-assign]
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01), pubsub.subscribe("t"):
                pass
        assert len(answers) == 1
        assert broker.up.unsubscribed == ["t"]


async def test_a_broker_that_does_not_end_a_subscription_is_logged(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(topic_filter: str, answered: Callable[[Ack], None]) -> None:
        assert topic_filter == "t"
        answered(Ack(0x87))

    async with client() as pubsub, pubsub.subscribe("t"):
        broker.up.unsubscribe = refuse  # type: ignore[method-assign]
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "refuses to unsubscribe from t" in warning
    assert "0x87 NOT_AUTHORIZED" in warning


async def test_readers_that_a_close_has_ended_stay_ended(broker: Broker) -> None:
    pubsub = client()
    await pubsub.connect()
    async with pubsub.subscribe("t") as readers:
        await pubsub.close()
        await pubsub.connect()
        assert broker.up.subscribed == []
        with pytest.raises(StopAsyncIteration):
            await anext(readers)
        await pubsub.close()


async def test_a_started_client_whose_first_attempt_fails_tells_who_connects_why_at_once(broker: Broker) -> None:
    broker.opens = lambda _: ConnectAttemptError(OSError("nobody there"))
    pubsub = client(reconnect_delay=(60, 60))
    pubsub.start()
    async with in_time():
        with pytest.raises(ConnectionRefused, match="nobody there"):
            await pubsub.connect()
    assert pubsub.state is ConnectionState.CLOSED


def test_a_client_of_a_loop_that_has_ended_says_so(broker: Broker) -> None:
    pubsub = client()

    async def start() -> None:
        pubsub.start()
        await asyncio.sleep(0.01)

    asyncio.run(start())
    assert broker.links
    with pytest.raises(PubSubError, match="another event loop"):
        asyncio.run(start())
