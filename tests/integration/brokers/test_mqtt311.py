"""The MQTT 3.1.1 transport, with mosquitto and with a scripted broker."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from awscrt import mqtt

from pubsub_client import MqttOverWebSocket, _mqtt311
from pubsub_client._messages import Packet
from pubsub_client._mqtt311 import Mqtt311Transport
from pubsub_client._transport import Ack, ClientId, ConnectAttemptError, ConnectOptions, Disconnect, DisconnectedError
from tests.integration.brokers.authority import Authority
from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports, mosquitto
from tests.integration.brokers.proxy import proxy_to
from tests.integration.brokers.reading import SECONDS
from tests.integration.brokers.recorder import recorder_to
from tests.integration.brokers.scripted_broker import scripted_broker
from tests.integration.serving import forward, serving

T = TypeVar("T")
OPTIONS = ConnectOptions(ClientId("test"), keep_alive=60, session_expiry=0, resume=False, will=None)
PASSWORD = "p" * 200  # so that the length of a CONNECT takes two bytes


@dataclass
class ObservedTransport:
    """A transport, and what its callbacks received."""

    provider: MqttOverWebSocket
    options: ConnectOptions = OPTIONS
    received: asyncio.Queue[Packet] = field(default_factory=asyncio.Queue)
    disconnects: asyncio.Queue[Disconnect] = field(default_factory=asyncio.Queue)
    calls: list[Ack | Disconnect] = field(default_factory=list)
    """The disconnect, and the acknowledgements that a test adds, in order."""
    transport: Mqtt311Transport = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Mqtt311Transport(self.provider, self.options, self.received.put_nowait, self.on_disconnect)

    def on_disconnect(self, disconnect: Disconnect) -> None:
        self.calls.append(disconnect)
        self.disconnects.put_nowait(disconnect)

    async def open(self) -> bool:
        return await self.transport.open(await self.provider.upgrade_request())


@asynccontextmanager
async def opened(provider: MqttOverWebSocket, options: ConnectOptions = OPTIONS) -> AsyncIterator[ObservedTransport]:
    observed = ObservedTransport(provider, options)
    try:
        async with asyncio.timeout(SECONDS):
            assert await observed.open() is False
        yield observed
    finally:
        await observed.transport.close()


async def ack_of(function: Callable[..., None], *arguments: Any) -> Ack:
    async with asyncio.timeout(SECONDS):
        return await pending_ack(function, *arguments)


def pending_ack(function: Callable[..., None], *arguments: Any) -> asyncio.Future[Ack]:
    ack: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
    function(*arguments, ack.set_result)
    return ack


async def next_of(queue: asyncio.Queue[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await queue.get()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - awscrt does not report that it has released it
            await asyncio.sleep(0.01)


def native_connections() -> int:
    return sum(type(each) is mqtt.Connection for each in gc.get_objects())


def message(topic: str, payload: bytes = b"{}", qos: int = 1, *, retain: bool = False) -> Packet:
    return Packet(topic, payload, qos, retain)


@pytest.fixture
def provider(mosquitto_process: BrokerProcess) -> MqttOverWebSocket:
    return MqttOverWebSocket(mosquitto_process.url())


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    """Check that no connection of awscrt outlives its transport."""
    yield
    await until(lambda: native_connections() == 0)


async def test_packet_that_awscrt_rejects_fails_with_its_error(provider: MqttOverWebSocket) -> None:
    async with opened(provider) as observed:
        for ack in (
            await ack_of(observed.transport.publish, message("a/#")),
            await ack_of(observed.transport.subscribe, "a/#/b", 0),
            await ack_of(observed.transport.unsubscribe, "a/#/b"),
        ):
            assert "AWS_ERROR_MQTT_INVALID_TOPIC" in str(ack.error)


@pytest.mark.parametrize(
    ("return_code", "connack"),
    [
        (1, (0x84, "return code 1: unacceptable protocol version")),
        (2, (0x85, "return code 2: identifier rejected")),
        (3, (0x88, "return code 3: server unavailable")),
        (4, (0x86, "return code 4: bad user name or password")),
        (5, (0x87, "return code 5: not authorized")),
        (6, (0x80, "return code 6: reserved by the specification")),
        (7, (0x87, "return code 7: not authorized, AWS IoT's code for it")),
    ],
)
async def test_return_code_is_reported_as_the_equivalent_reason_code(
    return_code: int, connack: tuple[int, str]
) -> None:
    async with scripted_broker(return_code) as broker:
        assert await refusal(MqttOverWebSocket(broker.url)) == connack


@pytest.mark.parametrize("user", [{}, {"user_name": "ada"}, {"user_name": "ada", "password": PASSWORD}])
async def test_return_code_is_requested_by_an_identical_connect(user: dict[str, str]) -> None:
    async with scripted_broker(4) as broker:
        await refusal(MqttOverWebSocket(broker.url + "?a=1", headers={"X-Key": "1"}, **user))
        first, second = broker.connects
        assert first == second
        for upgrade in broker.upgrades:
            assert (upgrade.path, upgrade.headers["X-Key"]) == ("/mqtt?a=1", "1")
            assert upgrade.headers["Host"] == f"{HOST}:{broker.port}"
            assert upgrade.headers["Sec-WebSocket-Protocol"] == "mqtt"


async def test_return_code_is_requested_by_the_same_proxy_and_authorities(tmp_path: Path, ports: Ports) -> None:
    authority = Authority(tmp_path, "tests")
    certificate = authority.issue("broker.test")
    with mosquitto(tmp_path, ports, passwords={"ada": PASSWORD}, certificate=certificate) as process:
        async with proxy_to(process.ports.websocket) as proxy:
            url, through = process.url("broker.test"), f"http://{HOST}:{proxy.port}"
            provider = MqttOverWebSocket(url, ca_file=authority.file, proxy=through)
            assert await refusal(provider) == (0x87, "return code 5: not authorized")
            assert len(proxy.requests) == 2


async def test_accepted_return_code_request_is_closed() -> None:
    async with scripted_broker(5, 0) as broker:
        assert await refusal(MqttOverWebSocket(broker.url)) is None
        assert [await next_of(broker.left), await next_of(broker.left)] == [1, 1]


async def test_connect_without_an_answer_is_a_failed_attempt() -> None:
    async with scripted_broker(None) as broker:
        observed = ObservedTransport(MqttOverWebSocket(broker.url), replace(OPTIONS, keep_alive=1))
        with pytest.raises(ConnectAttemptError, match="AWS_ERROR_MQTT_TIMEOUT"):
            await observed.open()


async def refusal(provider: MqttOverWebSocket) -> tuple[int, str | None] | None:
    observed = ObservedTransport(provider)
    with pytest.raises(ConnectAttemptError) as failed:
        await observed.open()
    await observed.transport.close()
    return failed.value.connack


@pytest.mark.parametrize(("keep_alive", "sent"), [(60, b"\x00\x3c"), (0, b"\xff\xff")])
async def test_connect_has_no_metrics_and_always_a_keep_alive(keep_alive: int, sent: bytes) -> None:
    options = replace(OPTIONS, keep_alive=keep_alive)
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url), options):
        assert broker.connects == [b"\x10\x10\x00\x04MQTT\x04\x02" + sent + b"\x00\x04test"]


async def test_packet_without_an_ack_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mqtt311, "_ACK_TIMEOUT_SECONDS", 0.1)
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as observed:
        for ack in (
            await ack_of(observed.transport.publish, message("a")),
            await ack_of(observed.transport.subscribe, "a", 0),
            await ack_of(observed.transport.unsubscribe, "a"),
        ):
            assert isinstance(ack.error, TimeoutError)
        assert observed.disconnects.empty()


async def test_missing_ping_response_ends_the_connection() -> None:
    async with (
        scripted_broker(answers_pings=False) as broker,
        opened(MqttOverWebSocket(broker.url), replace(OPTIONS, keep_alive=1)) as observed,
    ):
        assert "AWS_ERROR_MQTT_TIMEOUT" in (await next_of(observed.disconnects)).reason


async def test_lost_connection_fails_pending_packets_in_order_and_is_reported_last() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as observed:
        order: list[int] = []

        def record_as(number: int) -> Callable[[Ack], None]:
            def record(ack: Ack) -> None:
                order.append(number)
                observed.calls.append(ack)

            return record

        for number in range(0, 30, 3):
            observed.transport.publish(message("a"), record_as(number))
            observed.transport.subscribe("a", 0, record_as(number + 1))
            observed.transport.unsubscribe("a", record_as(number + 2))
        await next_of(broker.packets)
        broker.cut()
        disconnect = await next_of(observed.disconnects)
    *acks, last = observed.calls
    assert order == list(range(30))
    assert last == disconnect == Disconnect(None, disconnect.reason)
    for ack in acks:
        assert isinstance(ack, Ack)
        assert isinstance(ack.error, DisconnectedError)
        assert str(ack.error) == disconnect.reason


async def test_lost_connection_sends_nothing_and_does_not_reconnect() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as observed:
        observed.transport.publish(message("a"), lambda _: None)
        await next_of(broker.packets)
        broker.cut()
        await next_of(observed.disconnects)
        assert isinstance((await ack_of(observed.transport.publish, message("a"))).error, DisconnectedError)
        assert isinstance((await ack_of(observed.transport.subscribe, "a", 0)).error, DisconnectedError)
        # awscrt cannot reconnect without its connection.
        await until(lambda: native_connections() == 0)
        assert len(broker.connects) == 1
        assert observed.disconnects.empty()


async def test_packet_before_the_connection_fails_at_once(provider: MqttOverWebSocket) -> None:
    observed = ObservedTransport(provider)
    opening = asyncio.create_task(observed.open())
    await asyncio.sleep(0)
    assert isinstance((await ack_of(observed.transport.publish, message("a"))).error, DisconnectedError)
    await opening
    await observed.transport.close()


async def test_close_sends_disconnect_and_fails_pending_packets() -> None:
    async with scripted_broker() as broker:
        async with opened(MqttOverWebSocket(broker.url)) as observed:
            ack = pending_ack(observed.transport.publish, message("a"))
            await next_of(broker.packets)
        assert isinstance((await ack).error, DisconnectedError)
        assert await next_of(broker.packets) == b"\xe0\x00"
        assert await next_of(broker.left) == 3
        assert observed.disconnects.empty()


async def test_unopened_transport_can_be_closed(provider: MqttOverWebSocket) -> None:
    await ObservedTransport(provider).transport.close()


async def test_transport_can_be_closed_while_it_opens(provider: MqttOverWebSocket) -> None:
    observed = ObservedTransport(provider)
    opening = asyncio.create_task(observed.open())
    await asyncio.sleep(0)
    await observed.transport.close()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert observed.disconnects.empty()


async def test_close_during_an_unanswered_upgrade_releases_the_connection_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_mqtt311, "_CLOSE_TIMEOUT_SECONDS", 0.1)
    came = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await reader.read()

    async with serving(serve) as port:
        observed = ObservedTransport(MqttOverWebSocket(f"ws://{HOST}:{port}/mqtt"))
        opening = asyncio.create_task(observed.open())
        await came.wait()
        await observed.transport.close()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert native_connections() == 1
    # After the server has closed the socket, awscrt releases the connection.
    await until(lambda: native_connections() == 0)


async def test_connection_that_opens_after_close_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mqtt311, "_CLOSE_TIMEOUT_SECONDS", 0.1)
    async with scripted_broker() as broker:
        came, may_answer = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            came.set()
            await may_answer.wait()
            from_broker, to_broker = await asyncio.open_connection(HOST, broker.port)
            to_broker.write(head)
            await asyncio.gather(forward(reader, to_broker), forward(from_broker, writer))

        async with serving(serve) as port:
            observed = ObservedTransport(MqttOverWebSocket(f"ws://{HOST}:{port}/mqtt"))
            opening = asyncio.create_task(observed.open())
            await came.wait()
            await observed.transport.close()
            may_answer.set()
            with suppress(asyncio.CancelledError):
                await opening
            assert await next_of(broker.packets) == b"\xe0\x00"
            await until(lambda: native_connections() == 0)


async def test_close_during_the_return_code_request_leaves_no_connection() -> None:
    async with scripted_broker(5, None) as broker:
        observed = ObservedTransport(MqttOverWebSocket(broker.url))
        opening = asyncio.create_task(observed.open())
        await until(lambda: len(broker.connects) == 2)
        opening.cancel()
        await observed.transport.close()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await next_of(broker.left)
        await next_of(broker.left)


async def test_transports_leave_no_file_descriptor(
    mosquitto_process: BrokerProcess, provider: MqttOverWebSocket
) -> None:
    async with recorder_to(mosquitto_process.ports.websocket) as recorder:
        url = f"ws://{HOST}:{recorder.port}/mqtt"
        async with opened(provider):  # awscrt opens its own descriptors for the first
            pass
        before = descriptors()
        for number in range(6):
            async with opened(MqttOverWebSocket(url)) as observed:
                if number % 2:
                    recorder.cut()
                    await next_of(observed.disconnects)
        await until(lambda: descriptors() <= before)


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
