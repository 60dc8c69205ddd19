"""TLS, certificate authorities and proxies, of WebSockets and of HTTP requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pubsub_client import AwsIot, Credentials, MqttOverWebSocket, PubSub
from pubsub_client._self_attach import SelfAttachRoute
from pubsub_client.exceptions import ConnectionRefused, SessionError
from tests.integration.brokers.authority import Authority
from tests.integration.brokers.broker_process import BrokerProcess, Ports, mosquitto
from tests.integration.brokers.proxy import proxy_to
from tests.integration.brokers.reading import next_of
from tests.integration.serving import serving

BEHIND_THE_PROXY = "broker.example"
"""A name without an address, so that only the proxy leads to the broker."""
VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "AWS_CA_BUNDLE")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"), "tests")


@pytest.fixture(scope="module")
def behind_tls(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[BrokerProcess]:
    """A mosquitto with a certificate of the private authority."""
    certificate = authority.issue("localhost", BEHIND_THE_PROXY)
    ports = Ports.free(unused_tcp_port_factory)
    with mosquitto(tmp_path_factory.mktemp("tls"), ports, certificate=certificate) as process:
        yield process


@pytest.fixture(autouse=True)
def no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxies and certificate authorities from the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


async def assert_reached(provider: MqttOverWebSocket, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic, qos=1) as messages:
        await pubsub.publish(topic, "through")
        assert (await next_of(messages)).payload == "through"


@pytest.mark.parametrize(("given", "environment"), [(True, None), (False, "tests"), (True, "another")])
async def test_authority_is_the_argument_or_that_of_the_environment(
    behind_tls: BrokerProcess,
    authority: Authority,
    topic: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: bool,
    environment: str | None,
) -> None:
    if environment:
        file = authority.file if environment == "tests" else Authority(tmp_path, environment).file
        monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    url = behind_tls.url("localhost")
    await assert_reached(MqttOverWebSocket(url, ca_file=authority.file if given else None), topic)


async def test_untrusted_certificate_is_rejected(
    behind_tls: BrokerProcess, authority: Authority, tmp_path: Path
) -> None:
    async with proxy_to(behind_tls.ports.websocket) as proxy:
        refused = [
            MqttOverWebSocket(behind_tls.url("localhost")),
            MqttOverWebSocket(behind_tls.url("localhost"), ca_file=Authority(tmp_path, "another").file),
            MqttOverWebSocket("wss://another.example", ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}"),
        ]
        # In parallel, because awscrt needs seconds to end after a failed handshake.
        refusals = await asyncio.gather(
            *(PubSub(provider, connect_timeout=1).connect() for provider in refused), return_exceptions=True
        )
    for refusal, host in zip(refusals, ("localhost", "localhost", "another.example"), strict=True):
        assert isinstance(refusal, ConnectionRefused)
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal)
        assert host in str(refusal)


@pytest.mark.parametrize("user", ["", "ada:p%40ss"], ids=["without a password", "with a password"])
@pytest.mark.parametrize("given", [True, False], ids=["given", "by HTTPS_PROXY"])
async def test_broker_is_reached_by_a_proxy(
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
    assert proxy.requests == [f"CONNECT {BEHIND_THE_PROXY}:443 HTTP/1.1"]
    assert not proxy.rejected


async def test_rejected_proxy_password_is_reported(behind_tls: BrokerProcess, authority: Authority) -> None:
    async with proxy_to(behind_tls.ports.websocket, user="ada:p@ss") as proxy:
        provider = MqttOverWebSocket(
            f"wss://{BEHIND_THE_PROXY}/mqtt", ca_file=authority.file, proxy=f"http://ada:guess@127.0.0.1:{proxy.port}"
        )
        with pytest.raises(ConnectionRefused, match="407") as refusal:
            await PubSub(provider, connect_timeout=5).connect()
    assert "guess" not in str(refusal.value)
    assert proxy.rejected


async def test_proxy_that_closes_the_connection_is_reported(authority: Authority) -> None:
    async with proxy_to(0, silent=True) as proxy:
        provider = MqttOverWebSocket(
            f"wss://{BEHIND_THE_PROXY}/mqtt", ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}"
        )
        with pytest.raises(ConnectionRefused, match="the endpoint cannot be reached"):
            await PubSub(provider).connect()


class Source:
    async def credentials(self) -> Credentials:
        return Credentials("AKID", "secret", "token")


async def test_http_requests_use_the_same_proxy_and_authorities(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 11\r\n\r\nno such key")
        await writer.drain()

    certificate = authority.issue(BEHIND_THE_PROXY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    route = SelfAttachRoute(f"https://{BEHIND_THE_PROXY}/self-attach", "eu-west-1")
    provider = AwsIot(endpoint=BEHIND_THE_PROXY, region="eu-west-1", credentials=Source())
    async with serving(refuse, context) as port, proxy_to(port, user="ada:p@ss") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
        with pytest.raises(SessionError, match="CERTIFICATE_VERIFY_FAILED"):
            await route.attach(await Source().credentials())
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
        with pytest.raises(SessionError, match="HTTP 403 no such key"):
            await route.attach(await Source().credentials())
        with pytest.raises(ConnectionRefused, match="HTTP 403 no such key; AWS IoT rejected the signature"):
            await PubSub(provider).connect()
    assert all(request.startswith(f"CONNECT {BEHIND_THE_PROXY}:443 ") for request in proxy.requests)
    assert not proxy.rejected
