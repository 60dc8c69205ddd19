"""TLS, an own certificate authority and a proxy on the way to the endpoint."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pubsub_client import AwsIot, CognitoSession, PubSub
from pubsub_client._provider import UpgradeRequest
from pubsub_client._self_attach import SelfAttachRoute
from pubsub_client.exceptions import ConnectionRefused, SessionError
from tests.integration.pubsub_client.conftest import Deployment

HOST = "abc123-ats.iot.us-east-1.amazonaws.com"
AUTHORIZATION = b"Proxy-Authorization: Basic " + base64.b64encode(b"ada:p@ss")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for the host that only who is told so trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file


class Proxy:
    """A proxy that takes every tunnel to end at the local cloud, behind TLS in the host's name."""

    def __init__(self, target_port: int, certificate: Path) -> None:
        self.requests: list[bytes] = []
        self._target_port = target_port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await writer.start_tls(self._context)
        except (ssl.SSLError, ConnectionError):
            writer.close()
            return
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(_pass(reader, target_writer), _pass(target_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def serving(proxy: Proxy) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(proxy.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def proxy(deployment: Deployment, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy(deployment.cloud.port, certificate)
    async with serving(proxy) as port:
        for name in ("no_proxy", "NO_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:p%40ss@127.0.0.1:{port}")
        yield proxy


async def test_the_websocket_goes_through_the_proxy_and_trusts_the_given_authority(
    deployment: Deployment,
    session: CognitoSession,
    proxy: Proxy,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
) -> None:
    await session.credentials()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    provider = AwsIot(endpoint=HOST, region=deployment.region, credentials=session)
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, "through")
        async with asyncio.timeout(5):
            assert (await anext(messages)).payload == "through"
    assert proxy.requests[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert AUTHORIZATION in proxy.requests[0]


async def test_a_certificate_of_an_unknown_authority_is_refused(
    deployment: Deployment, session: CognitoSession, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session.credentials()
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    provider = AwsIot(endpoint=HOST, region=deployment.region, credentials=session)
    with pytest.raises(ConnectionRefused, match="CERTIFICATE_VERIFY_FAILED"):
        await PubSub(provider, connect_timeout=1).__aenter__()
    assert proxy.requests


async def test_a_refused_upgrade_is_asked_about_by_the_same_way(
    deployment: Deployment,
    session: CognitoSession,
    proxy: Proxy,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await session.credentials()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    provider = AwsIot(endpoint=HOST, region=deployment.region, credentials=session)
    monkeypatch.setattr(provider, "upgrade_request", _unsigned)
    with pytest.raises(ConnectionRefused, match="HTTP 403"):
        await PubSub(provider).__aenter__()
    assert len(proxy.requests) >= 2  # the attempt, and the question; on a slow machine the next attempt too
    assert all(AUTHORIZATION in request for request in proxy.requests)


async def test_self_attach_goes_through_the_proxy_and_trusts_the_given_authority(
    deployment: Deployment,
    session: CognitoSession,
    proxy: Proxy,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials = await session.credentials()
    route = SelfAttachRoute(f"https://{HOST}/self-attach", deployment.region)
    with pytest.raises(SessionError, match="CERTIFICATE_VERIFY_FAILED"):
        await route.attach(credentials)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with pytest.raises(SessionError, match="answers HTTP 4"):  # nobody there knows such a route
        await route.attach(credentials)
    assert [AUTHORIZATION in request for request in proxy.requests] == [True, True]


async def _unsigned() -> UpgradeRequest:
    return UpgradeRequest("/mqtt")
