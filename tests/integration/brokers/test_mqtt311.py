"""The transport that speaks MQTT 3.1.1: with mosquitto, and with a broker that does what a good one would not."""

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
from tests.integration.brokers.amqtt_broker import amqtt
from tests.integration.brokers.authority import Authority
from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports
from tests.integration.brokers.mosquitto import mosquitto
from tests.integration.brokers.proxy import proxy_to
from tests.integration.brokers.reading import SECONDS
from tests.integration.brokers.recorder import recorder_to
from tests.integration.brokers.scripted_broker import scripted_broker
from tests.integration.serving import serving

T = TypeVar("T")
OPTIONS = ConnectOptions(ClientId("test"), keep_alive=60, session_expiry=0, resume=False, will=None)
PASSWORD = "p" * 200  # so that the length of a CONNECT takes two bytes


@dataclass
class Made:
    """A transport, and what it told."""

    provider: MqttOverWebSocket
    options: ConnectOptions = OPTIONS
    received: asyncio.Queue[Packet] = field(default_factory=asyncio.Queue)
    dropped: asyncio.Queue[Disconnect] = field(default_factory=asyncio.Queue)
    told: list[Ack | Disconnect] = field(default_factory=list)
    """The drop, and those answers that a test adds, in order."""
    transport: Mqtt311Transport = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Mqtt311Transport(self.provider, self.options, self.received.put_nowait, self.drop)

    def drop(self, drop: Disconnect) -> None:
        self.told.append(drop)
        self.dropped.put_nowait(drop)

    async def open(self) -> bool:
        return await self.transport.open(await self.provider.upgrade_request())


@asynccontextmanager
async def opened(provider: MqttOverWebSocket, options: ConnectOptions = OPTIONS) -> AsyncIterator[Made]:
    made = Made(provider, options)
    try:
        async with asyncio.timeout(SECONDS):
            assert await made.open() is False
        yield made
    finally:
        await made.transport.close()


async def ask(function: Callable[..., None], *arguments: Any) -> Ack:
    async with asyncio.timeout(SECONDS):
        return await asked(function, *arguments)


def asked(function: Callable[..., None], *arguments: Any) -> asyncio.Future[Ack]:
    answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
    function(*arguments, answer.set_result)
    return answer


async def next_of(queue: asyncio.Queue[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await queue.get()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - awscrt tells nobody that it has let go
            await asyncio.sleep(0.01)


def native_connections() -> int:
    return sum(type(each) is mqtt.Connection for each in gc.get_objects())


def message(topic: str, payload: bytes = b"{}", qos: int = 1, *, retain: bool = False) -> Packet:
    return Packet(topic, payload, qos, retain)


@pytest.fixture
def provider(mosquitto_process: BrokerProcess) -> MqttOverWebSocket:
    return MqttOverWebSocket(mosquitto_process.url())


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No connection of awscrt outlives its transport."""
    yield
    await until(lambda: native_connections() == 0)


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_message_arrives_as_it_was_sent(provider: MqttOverWebSocket, topic: str, qos: int) -> None:
    async with opened(provider) as made:
        assert await ask(made.transport.subscribe, topic, qos) == Ack(qos)
        assert await ask(made.transport.publish, message(topic, b"\x00\xff", qos)) == Ack()
        assert await next_of(made.received) == Packet(topic, b"\x00\xff", qos, retain=False)


async def test_a_retained_message_says_that_it_was(provider: MqttOverWebSocket, topic: str) -> None:
    async with opened(provider) as made:
        await ask(made.transport.publish, message(topic, retain=True))
        await ask(made.transport.subscribe, topic, 0)
        assert (await next_of(made.received)).retain


async def test_what_is_unsubscribed_from_comes_no_more(provider: MqttOverWebSocket, topic: str) -> None:
    async with opened(provider) as made:
        await ask(made.transport.subscribe, f"{topic}/#", 0)
        await ask(made.transport.subscribe, "end", 0)
        assert await ask(made.transport.unsubscribe, f"{topic}/#") == Ack()
        await ask(made.transport.publish, message(f"{topic}/a"))
        await ask(made.transport.publish, message("end"))
        assert (await next_of(made.received)).topic == "end"


async def test_messages_arrive_in_the_order_in_which_they_were_sent(provider: MqttOverWebSocket, topic: str) -> None:
    async with opened(provider) as made:
        await ask(made.transport.subscribe, topic, 1)
        answers = [asked(made.transport.publish, message(topic, b"%d" % number)) for number in range(1000)]
        async with asyncio.timeout(SECONDS):
            assert await asyncio.gather(*answers) == [Ack()] * 1000
        received = [int((await next_of(made.received)).payload) for _ in range(1000)]
    assert received == list(range(1000))


async def test_what_awscrt_does_not_take_is_answered_with_its_error(provider: MqttOverWebSocket) -> None:
    async with opened(provider) as made:
        for answer in (
            await ask(made.transport.publish, message("a/#")),
            await ask(made.transport.subscribe, "a/#/b", 0),
            await ask(made.transport.unsubscribe, "a/#/b"),
        ):
            assert "AWS_ERROR_MQTT_INVALID_TOPIC" in str(answer.error)


async def test_a_refused_topic_filter_is_answered_as_refused(tmp_path: Path, ports: Ports) -> None:
    with amqtt(tmp_path, ports, may_subscribe=["open/#"]) as process:
        async with opened(MqttOverWebSocket(process.url())) as made:
            refused = await ask(made.transport.subscribe, "closed/a", 0)
            assert (refused, refused.refused) == (Ack(0x80), True)
            assert (await ask(made.transport.subscribe, "open/a", 0)).refused is False


async def test_user_name_and_password_are_told_and_a_wrong_one_is_refused_in_words(
    tmp_path: Path, ports: Ports
) -> None:
    with mosquitto(tmp_path, ports, passwords={"ada": PASSWORD}) as process:
        async with opened(MqttOverWebSocket(process.url(), user_name="ada", password=PASSWORD)):
            pass
        for user_name, password in ((None, None), ("ada", None), ("ada", PASSWORD[1:])):
            wrong = MqttOverWebSocket(process.url(), user_name=user_name, password=password)
            assert await refusal(wrong) == (0x87, "return code 5: not authorized")


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
async def test_each_return_code_is_told_as_the_reason_code_that_means_the_same(
    return_code: int, connack: tuple[int, str]
) -> None:
    async with scripted_broker(return_code) as broker:
        assert await refusal(MqttOverWebSocket(broker.url)) == connack


async def test_it_is_asked_why_just_as_it_was_refused() -> None:
    async with scripted_broker(4) as broker:
        provider = MqttOverWebSocket(broker.url + "?a=1", headers={"X-Key": "1"}, user_name="ada", password=PASSWORD)
        await refusal(provider)
        first, second = broker.connects
        assert first == second
        for upgrade in broker.upgrades:
            assert (upgrade.path, upgrade.headers["X-Key"]) == ("/mqtt?a=1", "1")
            assert upgrade.headers["Host"] == f"{HOST}:{broker.port}"
            assert upgrade.headers["Sec-WebSocket-Protocol"] == "mqtt"


async def test_it_is_asked_why_by_the_same_way_too(tmp_path: Path, ports: Ports) -> None:
    authority = Authority(tmp_path, "tests")
    certificate = authority.issue("broker.test")
    with mosquitto(tmp_path, ports, passwords={"ada": PASSWORD}, certificate=certificate) as process:
        async with proxy_to(process.ports.websocket) as proxy:
            url, through = process.url("broker.test"), f"http://{HOST}:{proxy.port}"
            provider = MqttOverWebSocket(url, ca_file=authority.file, proxy=through)
            assert await refusal(provider) == (0x87, "return code 5: not authorized")
            assert len(proxy.asked) == 2


async def test_a_broker_that_takes_who_asks_why_has_that_connection_closed() -> None:
    async with scripted_broker(5, 0) as broker:
        assert await refusal(MqttOverWebSocket(broker.url)) is None
        assert [await next_of(broker.left), await next_of(broker.left)] == [1, 1]


async def test_a_broker_that_does_not_answer_a_connect_is_an_attempt_failed() -> None:
    async with scripted_broker(None) as broker:
        made = Made(MqttOverWebSocket(broker.url), replace(OPTIONS, keep_alive=1))
        with pytest.raises(ConnectAttemptError, match="AWS_ERROR_MQTT_TIMEOUT"):
            await made.open()


async def test_a_broker_that_is_not_there_is_an_attempt_failed(unused_tcp_port: int) -> None:
    made = Made(MqttOverWebSocket(f"ws://{HOST}:{unused_tcp_port}/mqtt"))
    with pytest.raises(ConnectAttemptError, match="AWS_IO_SOCKET_CONNECTION_REFUSED") as failed:
        await made.open()
    assert failed.value.connack is None


async def refusal(provider: MqttOverWebSocket) -> tuple[int, str | None] | None:
    made = Made(provider)
    with pytest.raises(ConnectAttemptError) as failed:
        await made.open()
    await made.transport.close()
    return failed.value.connack


async def test_the_client_tells_awscrt_s_metrics_to_nobody() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)):
        (connect,) = broker.connects
        assert connect == b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"


async def test_a_keep_alive_that_is_turned_off_is_the_longest_there_is() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url), replace(OPTIONS, keep_alive=0)):
        (connect,) = broker.connects
        assert connect[10:12] == b"\xff\xff"


async def test_what_nobody_answers_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mqtt311, "_ACK_TIMEOUT_SECONDS", 0.1)
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as made:
        for answer in (
            await ask(made.transport.publish, message("a")),
            await ask(made.transport.subscribe, "a", 0),
            await ask(made.transport.unsubscribe, "a"),
        ):
            assert isinstance(answer.error, TimeoutError)
        assert made.dropped.empty()


async def test_a_broker_that_answers_no_ping_is_a_connection_lost() -> None:
    async with (
        scripted_broker(answers_pings=False) as broker,
        opened(MqttOverWebSocket(broker.url), replace(OPTIONS, keep_alive=1)) as made,
    ):
        assert "AWS_ERROR_MQTT_TIMEOUT" in (await next_of(made.dropped)).reason


async def test_a_lost_connection_answers_everything_in_order_and_is_then_told() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as made:
        order: list[int] = []

        def answered_as(number: int) -> Callable[[Ack], None]:
            def answered(answer: Ack) -> None:
                order.append(number)
                made.told.append(answer)

            return answered

        for number in range(0, 30, 3):
            made.transport.publish(message("a"), answered_as(number))
            made.transport.subscribe("a", 0, answered_as(number + 1))
            made.transport.unsubscribe("a", answered_as(number + 2))
        await next_of(broker.packets)
        broker.cut()
        drop = await next_of(made.dropped)
    *answers, last = made.told
    assert order == list(range(30))
    assert last == drop == Disconnect(None, drop.reason)
    for answer in answers:
        assert isinstance(answer, Ack)
        assert isinstance(answer.error, DisconnectedError)
        assert str(answer.error) == drop.reason


async def test_on_a_lost_connection_nothing_is_sent_and_none_is_made_again() -> None:
    async with scripted_broker() as broker, opened(MqttOverWebSocket(broker.url)) as made:
        made.transport.publish(message("a"), lambda _: None)
        await next_of(broker.packets)
        broker.cut()
        await next_of(made.dropped)
        assert isinstance((await ask(made.transport.publish, message("a"))).error, DisconnectedError)
        assert isinstance((await ask(made.transport.subscribe, "a", 0)).error, DisconnectedError)
        # What would connect again is gone.
        await until(lambda: native_connections() == 0)
        assert len(broker.connects) == 1
        assert made.dropped.empty()


async def test_what_is_asked_before_the_connection_is_up_is_answered_at_once(provider: MqttOverWebSocket) -> None:
    made = Made(provider)
    opening = asyncio.create_task(made.open())
    await asyncio.sleep(0)
    assert isinstance((await ask(made.transport.publish, message("a"))).error, DisconnectedError)
    await opening
    await made.transport.close()


async def test_a_killed_broker_is_told_and_the_next_link_finds_it_again(tmp_path: Path, ports: Ports) -> None:
    with mosquitto(tmp_path, ports) as process:
        provider = MqttOverWebSocket(process.url())
        async with opened(provider) as made:
            await asyncio.to_thread(process.kill)
            assert "AWS_" in (await next_of(made.dropped)).reason
        await asyncio.to_thread(process.start)
        async with opened(provider) as made:
            assert await ask(made.transport.publish, message("a")) == Ack()


async def test_the_will_is_published_when_the_connection_is_lost_and_not_after_a_goodbye(
    mosquitto_process: BrokerProcess, provider: MqttOverWebSocket, topic: str
) -> None:
    will = Packet(topic, b"lost", 1, retain=False)
    async with recorder_to(mosquitto_process.ports.websocket) as recorder, opened(provider) as reader:
        await ask(reader.transport.subscribe, topic, 1)
        url = f"ws://{HOST}:{recorder.port}/mqtt"
        for number, cut in enumerate((False, True)):
            options = replace(OPTIONS, client_id=ClientId(f"mortal-{number}"), will=will)
            async with opened(MqttOverWebSocket(url), options) as made:
                if cut:
                    recorder.cut()
                    await next_of(made.dropped)
            await ask(reader.transport.publish, message(topic, b"cut" if cut else b"closed"))
        payloads = [(await next_of(reader.received)).payload for _ in range(3)]
    assert payloads[0] == b"closed"
    assert sorted(payloads[1:]) == [b"cut", b"lost"]


async def test_closing_says_goodbye_answers_what_is_open_and_tells_nothing_more() -> None:
    async with scripted_broker() as broker:
        async with opened(MqttOverWebSocket(broker.url)) as made:
            answer = asked(made.transport.publish, message("a"))
            await next_of(broker.packets)
        assert isinstance((await answer).error, DisconnectedError)
        assert await next_of(broker.packets) == b"\xe0\x00"
        assert await next_of(broker.left) == 3
        assert made.dropped.empty()


async def test_a_link_that_was_never_opened_can_be_closed(provider: MqttOverWebSocket) -> None:
    await Made(provider).transport.close()


async def test_a_link_can_be_closed_while_it_is_opened(provider: MqttOverWebSocket) -> None:
    made = Made(provider)
    opening = asyncio.create_task(made.open())
    await asyncio.sleep(0)
    await made.transport.close()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert made.dropped.empty()


async def test_closing_waits_a_while_for_an_upgrade_that_nobody_answers_and_leaves_nothing_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_mqtt311, "_CLOSE_TIMEOUT_SECONDS", 0.1)
    came = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await reader.read()

    async with serving(serve) as port:
        made = Made(MqttOverWebSocket(f"ws://{HOST}:{port}/mqtt"))
        opening = asyncio.create_task(made.open())
        await came.wait()
        await made.transport.close()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert native_connections() == 1
    # The server has gone, and so is what awscrt kept.
    await until(lambda: native_connections() == 0)


async def test_a_connection_that_comes_up_when_nobody_waits_any_more_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_mqtt311, "_CLOSE_TIMEOUT_SECONDS", 0.1)
    async with scripted_broker() as broker:
        came, may_go_on = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            came.set()
            await may_go_on.wait()
            from_broker, to_broker = await asyncio.open_connection(HOST, broker.port)
            to_broker.write(head)
            await asyncio.gather(pump(reader, to_broker), pump(from_broker, writer))

        async with serving(serve) as port:
            made = Made(MqttOverWebSocket(f"ws://{HOST}:{port}/mqtt"))
            opening = asyncio.create_task(made.open())
            await came.wait()
            await made.transport.close()
            may_go_on.set()
            with suppress(asyncio.CancelledError):
                await opening
            assert await next_of(broker.packets) == b"\xe0\x00"
            await until(lambda: native_connections() == 0)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
    writer.close()


async def test_who_closes_while_it_is_asked_why_leaves_no_connection() -> None:
    async with scripted_broker(5, None) as broker:
        made = Made(MqttOverWebSocket(broker.url))
        opening = asyncio.create_task(made.open())
        await until(lambda: len(broker.connects) == 2)
        opening.cancel()
        await made.transport.close()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await next_of(broker.left)
        await next_of(broker.left)


async def test_links_that_come_and_go_leave_no_file_descriptor(
    mosquitto_process: BrokerProcess, provider: MqttOverWebSocket
) -> None:
    async with recorder_to(mosquitto_process.ports.websocket) as recorder:
        url = f"ws://{HOST}:{recorder.port}/mqtt"
        async with opened(provider):  # awscrt's own come with the first
            pass
        before = descriptors()
        for number in range(6):
            async with opened(MqttOverWebSocket(url)) as made:
                if number % 2:
                    recorder.cut()
                    await next_of(made.dropped)
        await until(lambda: descriptors() <= before)


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
