"""The client on fake transports that connect and end as each test decides; states, and delays between attempts."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any
from unittest.mock import Mock

import pytest

from pubsub_client import ConnectionState, PubSub, _connection, _failures
from pubsub_client._backoff import Backoff
from pubsub_client._connection import StateChange, States
from pubsub_client._failures import UpgradeResponse
from pubsub_client._provider import MqttVersion, Recovery, UpgradeRequest
from pubsub_client._transport import Ack, ConnectAttemptError, OnAck
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PubSubError, SubscribeRefused
from tests.unit.pubsub_client.fake_broker import FakeBroker, FakeTransport, client

SECONDS = 5.0
REPAIRED, FAILED = Recovery("repaired", applied=True), Recovery("not repaired", applied=False)


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(SECONDS):
        yield


async def until_connected_again(broker: FakeBroker, connections: int, pubsub: PubSub) -> None:
    async with in_time():
        while len(broker.transports) < connections or pubsub.state is not ConnectionState.CONNECTED:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_close_completes_all_concurrent_publish_calls(broker: FakeBroker) -> None:
    async def publish_endlessly() -> None:
        while True:
            await pubsub.publish("t", 1)
            await asyncio.sleep(0)

    async with client() as pubsub:
        publishing = [asyncio.create_task(publish_endlessly()) for _ in range(20)]
        await asyncio.sleep(0.01)
    async with in_time():
        ended = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(each) for each in ended} == {ConnectionLost}
    assert broker.up.published


async def test_closed_client_is_released_while_its_transport_is_not(broker: FakeBroker) -> None:
    """Awscrt's callbacks can keep a transport alive for seconds after it was closed."""
    pubsub = client()
    async with pubsub, pubsub.subscribe("t"):
        await pubsub.publish("t", 1)
        released = weakref.ref(pubsub)
    del pubsub
    gc.collect()
    assert released() is None
    assert broker.transports


async def test_new_session_with_unanswered_subscriptions_is_subscribed_again(broker: FakeBroker) -> None:
    broker.session_present = lambda number: number == 2
    broker.drops_on_subscribe = lambda number, _: number == 1
    async with client(session_expiry=60) as pubsub, pubsub.subscribe("t/#"):
        broker.up.drop()
        await until_connected_again(broker, 3, pubsub)
    assert [transport.subscribed for transport in broker.transports] == [["t/#"], ["t/#"], ["t/#"]]


async def test_client_closed_while_connecting_can_connect_again(broker: FakeBroker) -> None:
    broker.opens = lambda number: ConnectAttemptError(OSError("unreachable")) if number == 0 else None
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


async def test_unexpected_error_of_a_transport_counts_as_failed_attempt(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the CA file was deleted")

    async with client() as pubsub:
        good = dict(_connection._TRANSPORTS)
        monkeypatch.setattr(_connection, "_TRANSPORTS", dict.fromkeys(MqttVersion, broken))
        broker.up.drop()
        changes = pubsub.states()
        async with in_time():
            while "the CA file was deleted" not in str((await anext(changes)).reason):
                pass
        monkeypatch.setattr(_connection, "_TRANSPORTS", good)
        await until_connected_again(broker, 2, pubsub)
        await pubsub.publish("t", 1)


async def test_connection_lost_at_once_is_never_reported_as_connected(broker: FakeBroker) -> None:
    broker.drops_at_once = lambda _: True
    pubsub = client(connect_timeout=0.1)
    states: list[ConnectionState] = []

    async def watch() -> None:
        async for state, _ in pubsub.states():
            states.append(state)

    pubsub.start()
    watching = asyncio.create_task(watch())
    with pytest.raises(ConnectionRefused, match="the network failed"):
        await pubsub.connect()
    await watching
    assert ConnectionState.CONNECTED not in states


async def test_topic_filter_that_ends_every_connection_counts_as_rejected(broker: FakeBroker) -> None:
    denied = False
    broker.drops_on_subscribe = lambda _, topic_filter: denied and topic_filter == "denied"
    async with client() as pubsub, pubsub.subscribe("allowed"), pubsub.subscribe("denied") as readers:
        denied = True
        broker.up.drop()
        async with in_time():
            with pytest.raises(SubscribeRefused, match="in 5 attempts, the connection was lost"):
                await anext(readers)
        await until_connected_again(broker, 7, pubsub)
        await pubsub.publish("t", 1)


async def test_subscription_cancelled_before_its_ack_is_unsubscribed(broker: FakeBroker) -> None:
    async with client() as pubsub:
        acks: list[OnAck] = []
        broker.up.subscribe = lambda *request: acks.append(request[2])  # type: ignore[method-assign]
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01), pubsub.subscribe("t"):
                pass
        assert len(acks) == 1
        assert broker.up.unsubscribed == ["t"]


async def test_topic_filter_is_unsubscribed_after_its_last_reader(broker: FakeBroker) -> None:
    async with client() as pubsub, pubsub.subscribe("t"):
        async with pubsub.subscribe("t"):
            assert broker.up.subscribed == ["t"]
        assert broker.up.unsubscribed == []
    assert broker.up.unsubscribed == ["t"]


async def test_second_reader_can_raise_the_qos(broker: FakeBroker) -> None:
    async with client() as pubsub, pubsub.subscribe("t", qos=0), pubsub.subscribe("t", qos=1):
        assert broker.up.subscribed == ["t", "t"]


async def test_rejected_unsubscribe_is_logged(broker: FakeBroker, caplog: pytest.LogCaptureFixture) -> None:
    def reject(topic_filter: str, on_ack: OnAck) -> None:
        assert topic_filter == "t"
        on_ack(Ack(0x87))

    async with client() as pubsub, pubsub.subscribe("t"):
        broker.up.unsubscribe = reject  # type: ignore[method-assign]
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "rejected UNSUBSCRIBE t " in warning
    assert "0x87 NOT_AUTHORIZED" in warning


async def test_readers_stay_ended_after_a_new_connect(broker: FakeBroker) -> None:
    pubsub = client()
    await pubsub.connect()
    async with pubsub.subscribe("t") as readers:
        await pubsub.close()
        await pubsub.connect()
        assert broker.up.subscribed == []
        with pytest.raises(StopAsyncIteration):
            await anext(readers)
        await pubsub.close()


async def test_connect_of_a_started_client_raises_its_first_error_at_once(broker: FakeBroker) -> None:
    broker.opens = lambda _: ConnectAttemptError(OSError("unreachable"))
    pubsub = client(reconnect_delay=(60, 60))
    pubsub.start()
    async with in_time():
        with pytest.raises(ConnectionRefused, match="unreachable"):
            await pubsub.connect()
    assert pubsub.state is ConnectionState.CLOSED


def test_client_of_an_ended_event_loop_raises_an_error(broker: FakeBroker) -> None:
    pubsub = client()

    async def start() -> None:
        pubsub.start()
        await asyncio.sleep(0.01)

    asyncio.run(start())
    assert broker.transports
    with pytest.raises(PubSubError, match="an event loop that is closed now; create a new PubSub"):
        asyncio.run(start())


async def test_publish_to_several_topics_precedes_a_later_publish(broker: FakeBroker) -> None:
    async with client() as pubsub:
        await asyncio.gather(pubsub.publish(["a", "b"], 1), pubsub.publish("a", 2))
        published = [(packet.topic, packet.payload) for packet in broker.up.published]
    assert published == [("a", b"1"), ("b", b"1"), ("a", b"2")]


async def test_error_of_the_upgrade_request_is_the_cause_of_connection_refused() -> None:
    async def fail() -> UpgradeRequest:
        raise RuntimeError("the vault is sealed")

    with pytest.raises(
        ConnectionRefused, match="could not create the WebSocket request: the vault is sealed"
    ) as refusal:
        await client_with(fail).connect()
    assert isinstance(refusal.value.__cause__, RuntimeError)


async def hang() -> UpgradeRequest:
    await asyncio.Event().wait()
    raise AssertionError


async def test_upgrade_request_without_an_answer_ends_with_the_timeout() -> None:
    with pytest.raises(ConnectionRefused) as refusal:
        await client_with(hang, connect_timeout=0.05).connect()
    assert refusal.value.reason == "no answer within 0.05 s from the credentials source"


async def test_cancelled_connect_leaves_no_task() -> None:
    connecting = asyncio.create_task(client_with(hang).connect())
    await asyncio.sleep(0.01)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert asyncio.all_tasks() == {asyncio.current_task()}


def client_with(upgrade_request: Callable[[], Coroutine[Any, Any, UpgradeRequest]], **options: object) -> PubSub:
    pubsub = client(**options)
    pubsub._provider.upgrade_request = upgrade_request  # type: ignore[method-assign]
    return pubsub


@pytest.mark.parametrize(
    ("connack", "denied", "reason"),
    [
        (None, False, "unreachable"),
        ((0x86, "return code 4"), True, r"return code 4.*check user name and password"),
        ((0x87, None), True, "check user name and password"),
        ((0x88, "return code 3"), False, r"return code 3.*not a denial, try again later"),
    ],
)
async def test_provider_recovers_only_from_a_denial(
    broker: FakeBroker, connack: tuple[int, str | None] | None, denied: bool, reason: str
) -> None:
    async def recover() -> None:
        calls.append(None)

    calls: list[None] = []
    broker.opens = Mock(return_value=ConnectAttemptError(OSError("unreachable"), connack))
    pubsub = client()
    pubsub._provider.recover_from_denial = recover  # type: ignore[method-assign]
    with pytest.raises(ConnectionRefused, match=reason) as refusal:
        await pubsub.connect()
    assert (len(calls), refusal.value.denied) == (int(denied), denied)


class Recovering:
    """A provider's recovery, whose results are given. The broker denies connections while ``denies`` is true."""

    def __init__(self, broker: FakeBroker, pubsub: PubSub, *results: Recovery) -> None:
        self.denies = True
        self.results = [*results]
        pubsub._provider.recover_from_denial = self.recover  # type: ignore[method-assign]
        denied = ConnectAttemptError(OSError("closed"), (0x87, None))
        broker.opens = lambda _: denied if self.denies else None

    async def recover(self) -> Recovery:
        result = self.results.pop(0)
        self.denies = not result.applied
        return result


async def test_error_of_a_recovery_is_in_connection_refused(broker: FakeBroker) -> None:
    pubsub = client()
    Recovering(broker, pubsub, FAILED)
    with pytest.raises(ConnectionRefused, match=r"check user name and password.* not repaired$") as refusal:
        await pubsub.connect()
    assert refusal.value.denied


async def test_denial_after_a_recovery_is_retried_until_the_timeout(broker: FakeBroker) -> None:
    pubsub = client(connect_timeout=0.2)
    recovering = Recovering(broker, pubsub, REPAIRED)
    broker.opens = Mock(return_value=broker.opens(0))
    with pytest.raises(ConnectionRefused, match=r"\. repaired$") as refusal:
        await pubsub.connect()
    assert (refusal.value.denied, recovering.results) == (True, [])
    assert len(broker.transports) > 1


async def test_provider_recovers_again_after_an_error_and_after_a_connection(broker: FakeBroker) -> None:
    pubsub = client()
    recovering = Recovering(broker, pubsub, REPAIRED, FAILED, REPAIRED)
    async with in_time(), pubsub:
        assert len(recovering.results) == 2
        recovering.denies = True
        connections = len(broker.transports)
        broker.up.drop()
        await until_connected_again(broker, connections + 2, pubsub)
    assert recovering.results == []


@pytest.fixture
def hanging(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """A broker whose transports never open."""

    async def open_never(_transport: FakeTransport, _request: UpgradeRequest) -> bool:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(FakeTransport, "open", open_never)
    return broker


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (UpgradeResponse(101, ""), "A second WebSocket request was accepted; try again"),
        (UpgradeResponse(404, "no such path"), "the WebSocket request was rejected with HTTP 404 no such path"),
        (OSError("no route"), "the endpoint cannot be reached over HTTP: no route"),
    ],
)
@pytest.mark.usefixtures("hanging")
async def test_connect_timeout_is_explained_by_an_http_request(
    monkeypatch: pytest.MonkeyPatch, answer: UpgradeResponse | Exception, reason: str
) -> None:
    monkeypatch.setattr(_failures, "request_upgrade", Mock(side_effect=[answer]))
    with pytest.raises(ConnectionRefused, match=rf"no answer within 0\.05 s\. .*{reason}"):
        await client(connect_timeout=0.05).connect()


@pytest.mark.usefixtures("hanging")
async def test_attempt_without_an_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection, "_ATTEMPT_TIMEOUT_SECONDS", 0.01)
    with pytest.raises(ConnectionRefused, match=r"no answer within 0\.01 s"):
        await client().connect()


async def test_unexpected_error_is_logged_and_followed_by_another_attempt(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker.opens = lambda number: ConnectAttemptError(OSError("refused")) if number == 0 else None
    monkeypatch.setattr(_failures.ConnectErrors, "explain", Mock(side_effect=RuntimeError("unexpected")))
    async with client() as pubsub:
        await pubsub.publish("t", 1)
    assert "unexpected error of the connection" in caplog.text


async def collect(states: States) -> list[StateChange]:
    return [change async for change in states.stream()]


async def test_states_are_streamed_from_now_on_without_repetition_until_closed() -> None:
    states = States()
    states.change(ConnectionState.CONNECTING)
    seen = asyncio.create_task(collect(states))
    await asyncio.sleep(0)
    states.change(ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER")
    states.change(ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER")
    states.change(ConnectionState.CLOSED)
    assert await seen == [
        (ConnectionState.CONNECTING, None),
        (ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER"),
        (ConnectionState.CLOSED, None),
    ]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (ConnectionState.CONNECTED, nullcontext()),
        (ConnectionState.CLOSED, pytest.raises(ConnectionLost, match="async with")),
    ],
)
async def test_waiting_for_the_connection_ends_at_once(end: ConnectionState, error: Any) -> None:
    states = States()
    states.change(ConnectionState.CONNECTING)
    waiting = asyncio.create_task(states.until_connected(60))
    await asyncio.sleep(0)
    states.change(end)
    with error:
        await waiting


async def test_waiting_too_long_for_the_connection_raises_the_last_reason() -> None:
    states = States()
    states.change(ConnectionState.DISCONNECTED, "the vault is sealed")
    states.change(ConnectionState.CONNECTING)
    with pytest.raises(ConnectionLost, match="vault is sealed"):
        await states.until_connected(0.01)


BACKOFF = Backoff(1.0, 120.0)


def test_backoff_doubles_its_bound_up_to_the_maximum() -> None:
    bounds = [BACKOFF.delay(failures, lambda _, bound: bound) for failures in (*range(9), 100_000)]
    assert bounds == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]


def test_backoff_has_full_jitter() -> None:
    uniform = random.Random(1).uniform  # noqa: S311 - no secret
    delays = [BACKOFF.delay(3, uniform) for _ in range(500)]
    assert min(delays) < 0.5
    assert 7.5 < max(delays) <= 8.0
