"""Independent brokers, and the providers and clients for each."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from local_cloud.process import LocalCloud
from pubsub_client import AwsIot, Credentials, MqttOverWebSocket, _mqtt5
from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports, amqtt, mosquitto
from tests.integration.brokers.paho_client import Paho, connected_paho


@dataclass(frozen=True)
class Broker:
    """A broker that tests share.

    Args:
        websocket_port: the port of its WebSocket.
        provider_at: returns the provider for its port, or for the port of a server in front of it.
        paho: connects a paho client.
    """

    websocket_port: int
    provider_at: Callable[[int], AwsIot | MqttOverWebSocket]
    paho: Callable[[], AbstractAsyncContextManager[Paho]]

    @property
    def provider(self) -> AwsIot | MqttOverWebSocket:
        return self.provider_at(self.websocket_port)


@pytest.fixture(scope="package")
def mosquitto_process(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[BrokerProcess]:
    with mosquitto(tmp_path_factory.mktemp("mosquitto"), Ports.free(unused_tcp_port_factory)) as process:
        yield process


@pytest.fixture(scope="package")
def amqtt_process(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[BrokerProcess]:
    with amqtt(tmp_path_factory.mktemp("amqtt"), Ports.free(unused_tcp_port_factory)) as process:
        yield process


@pytest.fixture
def mosquitto_broker(mosquitto_process: BrokerProcess) -> Broker:
    return _broker_of(mosquitto_process)


@pytest.fixture
def amqtt_broker(amqtt_process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """It does not answer an MQTT 5 CONNECT with a will or a user, so a short timeout saves time."""
    monkeypatch.setattr(_mqtt5, "_CONNACK_TIMEOUT_SECONDS", 1)
    return _broker_of(amqtt_process)


@pytest.fixture
def cloud_broker(cloud: LocalCloud) -> Broker:
    """The local cloud's AWS IoT, with an administrator's credentials."""
    host = cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"].partition(":")[0]
    made = cloud.client("sts").get_session_token()["Credentials"]
    source = FixedSource(
        Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], made["Expiration"])
    )

    def provider_at(port: int) -> AwsIot:
        return AwsIot(endpoint=f"{host}:{port}", region=cloud.region, credentials=source)

    @asynccontextmanager
    async def paho() -> AsyncIterator[Paho]:
        provider = provider_at(cloud.port)
        request = await provider.upgrade_request()
        headers = {**request.headers, "Host": provider.endpoint.authority}
        async with connected_paho(cloud.port, path=request.path, headers=headers) as connected:
            yield connected

    return Broker(cloud.port, provider_at, paho)


@pytest.fixture(params=["mosquitto", "amqtt", "cloud"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the three brokers."""
    broker: Broker = request.getfixturevalue(f"{request.param}_broker")
    return broker


@pytest.fixture
def topic() -> str:
    """An unused topic."""
    return f"brokers/{uuid.uuid4()}"


@pytest.fixture
def ports(unused_tcp_port_factory: Callable[[], int]) -> Ports:
    """Ports for a separate broker."""
    return Ports.free(unused_tcp_port_factory)


@dataclass(frozen=True)
class FixedSource:
    """A credentials source that always returns the same credentials."""

    fixed: Credentials

    async def credentials(self) -> Credentials:
        return self.fixed


def _broker_of(process: BrokerProcess) -> Broker:
    return Broker(
        process.ports.websocket,
        lambda port: MqttOverWebSocket(f"ws://{HOST}:{port}/mqtt"),
        lambda: connected_paho(process.ports.tcp),
    )
