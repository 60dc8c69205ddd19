"""TLS, an authority of one's own, a proxy, and what the upgrade is asked for with: the way to a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pubsub_client import MqttOverWebSocket, PubSub
from pubsub_client.exceptions import ConnectionRefused
from tests.integration.brokers.authority import Authority
from tests.integration.brokers.broker_process import BrokerProcess, Ports
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.mosquitto import mosquitto
from tests.integration.brokers.proxy import proxy_to
from tests.integration.brokers.reading import next_of
from tests.integration.brokers.recorder import recorder_to
from tests.integration.serving import serving

BEHIND_THE_PROXY = "broker.example"
"""A name that leads nowhere, so that who gets to the broker has asked the proxy for it."""
VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "AWS_CA_BUNDLE")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Nobody trusts it unless told so."""
    return Authority(tmp_path_factory.mktemp("authority"), "tests")


@pytest.fixture(scope="module")
def behind_tls(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[BrokerProcess]:
    """A mosquitto with a certificate of that authority."""
    certificate = authority.issue("localhost", BEHIND_THE_PROXY)
    ports = Ports.free(unused_tcp_port_factory)
    with mosquitto(tmp_path_factory.mktemp("tls"), ports, certificate=certificate) as process:
        yield process


@pytest.fixture(autouse=True)
def nothing_prescribed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names neither proxy nor authority."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


async def assert_reached(provider: MqttOverWebSocket, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic, qos=1) as messages:
        await pubsub.publish(topic, "through")
        assert (await next_of(messages)).payload == "through"


async def test_a_given_authority_is_trusted(behind_tls: BrokerProcess, authority: Authority, topic: str) -> None:
    await assert_reached(MqttOverWebSocket(behind_tls.url("localhost"), ca_file=authority.file), topic)


async def test_the_authority_that_the_environment_names_is_trusted(
    behind_tls: BrokerProcess, authority: Authority, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    await assert_reached(MqttOverWebSocket(behind_tls.url("localhost")), topic)


async def test_a_given_authority_goes_before_the_one_that_the_environment_names(
    behind_tls: BrokerProcess, authority: Authority, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path, "another").file))
    await assert_reached(MqttOverWebSocket(behind_tls.url("localhost"), ca_file=authority.file), topic)


async def test_a_certificate_is_refused_whose_authority_nobody_has_named_or_that_is_for_another_host(
    behind_tls: BrokerProcess, authority: Authority, tmp_path: Path
) -> None:
    async with proxy_to(behind_tls.ports.websocket) as proxy:
        refused = [
            MqttOverWebSocket(behind_tls.url("localhost")),
            MqttOverWebSocket(behind_tls.url("localhost"), ca_file=Authority(tmp_path, "another").file),
            MqttOverWebSocket("wss://another.example", ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}"),
        ]
        # All at once: after a failed handshake awscrt takes seconds to end.
        refusals = await asyncio.gather(
            *(PubSub(provider, connect_timeout=1).connect() for provider in refused), return_exceptions=True
        )
    for refusal, host in zip(refusals, ("localhost", "localhost", "another.example"), strict=True):
        assert isinstance(refusal, ConnectionRefused)
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal)
        assert host in str(refusal)


@pytest.mark.parametrize("user", ["", "ada:p%40ss"], ids=["without a password", "with a password"])
@pytest.mark.parametrize("given", [True, False], ids=["given", "by HTTPS_PROXY"])
async def test_a_broker_behind_a_proxy_is_reached(
    behind_tls: BrokerProcess,
    authority: Authority,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    given: bool,
) -> None:
    async with proxy_to(behind_tls.ports.websocket, user=user.replace("%40", "@")) as proxy:
        address = f"http://{user}{'@' if user else ''}127.0.0.1:{proxy.port}"
        if not given:
            monkeypatch.setenv("HTTPS_PROXY", address)
        url = f"wss://{BEHIND_THE_PROXY}/mqtt"
        provider = MqttOverWebSocket(url, ca_file=authority.file, proxy=address if given else None)
        await assert_reached(provider, topic)
    assert proxy.asked == [f"CONNECT {BEHIND_THE_PROXY}:443 HTTP/1.1"]
    assert not proxy.refused


async def test_no_proxy_is_asked_for_a_host_that_the_environment_takes_out(
    behind_tls: BrokerProcess, authority: Authority, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy_to(behind_tls.ports.websocket) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "localhost")
        await assert_reached(MqttOverWebSocket(behind_tls.url("localhost"), ca_file=authority.file), topic)
    assert not proxy.asked


async def test_a_proxy_that_does_not_take_the_password_is_told(behind_tls: BrokerProcess, authority: Authority) -> None:
    async with proxy_to(behind_tls.ports.websocket, user="ada:p@ss") as proxy:
        provider = MqttOverWebSocket(
            f"wss://{BEHIND_THE_PROXY}/mqtt", ca_file=authority.file, proxy=f"http://ada:guess@127.0.0.1:{proxy.port}"
        )
        with pytest.raises(ConnectionRefused, match="407") as refusal:
            await PubSub(provider, connect_timeout=5).connect()
    assert "guess" not in str(refusal.value)
    assert proxy.refused


async def test_proxy_that_closes_the_connection_is_not_taken_for_the_broker(authority: Authority) -> None:
    async with proxy_to(0, silent=True) as proxy:
        provider = MqttOverWebSocket(
            f"wss://{BEHIND_THE_PROXY}/mqtt", ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}"
        )
        with pytest.raises(ConnectionRefused, match="the endpoint cannot be reached"):
            await PubSub(provider).connect()


async def test_path_query_and_headers_are_asked_for_with(mosquitto_broker: Broker, topic: str) -> None:
    async with recorder_to(mosquitto_broker.websocket_port) as recorder:
        url = f"ws://127.0.0.1:{recorder.port}/deep/mqtt?tenant=1"
        await assert_reached(MqttOverWebSocket(url, headers={"X-Api-Key": "open"}), topic)
    first, *headers = recorder.connections[0].request.split("\r\n")
    assert first == "GET /deep/mqtt?tenant=1 HTTP/1.1"
    assert f"host: 127.0.0.1:{recorder.port}" in [header.lower() for header in headers]
    assert "x-api-key: open" in [header.lower() for header in headers]


async def test_an_upgrade_that_is_refused_is_told_with_the_http_status_and_body() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 18\r\n\r\nno such API key...")
        await writer.drain()

    async with serving(refuse) as port:
        with pytest.raises(ConnectionRefused, match="HTTP 401 no such API key"):
            await PubSub(MqttOverWebSocket(f"ws://127.0.0.1:{port}/mqtt", headers={"X-Api-Key": "guess"})).connect()
