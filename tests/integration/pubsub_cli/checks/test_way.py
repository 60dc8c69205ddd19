"""What stops the way to the endpoint, over sockets on loopback."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pubsub_cli.checks.blocked import BlockedError, Step
from pubsub_cli.checks.way import Way, find_way
from pubsub_client._endpoint import Endpoint

HOST = "abc-ats.iot.eu-west-1.amazonaws.com"
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
ANSWER = f"HTTP/1.1 403 Forbidden\r\nDate: {DATE}\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, in PEM files."""

    file: Path
    key: Path


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[..., Certificate]:
    def make(name: str = HOST, issuer: str = "Corporate Inspection", days: int = 1) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        end = datetime.now(UTC) + timedelta(days=days)
        made = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(named)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=30))
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(file, key_file)

    return make


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Serve each connection with a function; returns the port."""
    listeners: list[socket.socket] = []

    def start(serve: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                try:
                    serve(sock)
                except OSError:
                    pass
                finally:
                    sock.close()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve the endpoint to loopback, and nothing else but addresses; take away what the environment prescribes."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    known = {HOST: ["127.0.0.1"], "127.0.0.1": ["127.0.0.1"]}

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port)) for ip in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def read_request(sock: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(4096) or b"\r\n\r\n"
    return received


def answer(sock: socket.socket) -> None:
    read_request(sock)
    sock.sendall(ANSWER)


def behind_tls(certificate: Certificate, serve: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)

    def secured(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as inner:
            serve(inner)

    return secured


def proxy_answering(line: str, then: Callable[[socket.socket], None] | None = None) -> Callable[[socket.socket], None]:
    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(f"HTTP/1.1 {line}\r\n\r\n".encode())
        if then:
            then(sock)

    return serve


def plain(port: int) -> Endpoint:
    return Endpoint.parse(f"abc-ats.iot.eu-west-1.localhost:{port}")


def secure(port: int) -> Endpoint:
    return Endpoint.parse(f"{HOST}:{port}")


async def blocked(endpoint: Endpoint, seconds: float = 5.0) -> BlockedError:
    with pytest.raises(BlockedError) as block:
        await find_way(endpoint, seconds=seconds)
    assert block.value.fix
    return block.value


async def test_a_plain_way_leads_to_an_answer_with_its_date(server: Callable[..., int]) -> None:
    assert await find_way(plain(server(answer))) == Way(["TCP by IPv4", "HTTP 403"], DATE)


async def test_a_way_by_tls_tells_the_version_and_the_issuer(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(issuer="Amazon RSA 2048 M01")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.file))
    way = await find_way(secure(server(behind_tls(made, answer))))
    assert f"{HOST} is 127.0.0.1" in way.told
    assert "TLSv1.3, certificate by CN=Amazon RSA 2048 M01" in way.told


async def test_a_name_that_is_not_resolved_stops_at_dns(names: dict[str, list[str]]) -> None:
    del names[HOST]
    block = await blocked(Endpoint.parse(HOST))
    assert block.step is Step.DNS
    assert "Name or service not known" in block.cause
    assert block.fix.endswith(f"nslookup {HOST}")


async def test_a_resolver_that_hangs_stops_at_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(60))
    try:
        block = await blocked(Endpoint.parse(HOST), seconds=0.05)
    finally:
        end.set()
    assert block.step is Step.DNS
    assert "not resolved within 0.05 s" in block.cause


async def test_a_port_where_nobody_listens_stops_at_tcp(unused_tcp_port: int) -> None:
    block = await blocked(secure(unused_tcp_port))
    assert block.step is Step.TCP
    assert "127.0.0.1: Connection refused" in block.cause
    assert f"lets port {unused_tcp_port} out" in block.fix


async def test_the_next_address_is_tried_and_the_dead_one_told(
    server: Callable[..., int], names: dict[str, list[str]]
) -> None:
    names["127.0.0.1"] = ["::1", "127.0.0.1"]
    way = await find_way(plain(server(answer)))
    assert "TCP by IPv4, not to ::1" in way.told


async def test_a_connection_that_is_closed_at_once_stops_at_tls(server: Callable[..., int]) -> None:
    block = await blocked(secure(server(lambda _: None)))
    assert block.step is Step.TLS
    assert "broken off" in block.cause


async def test_a_server_without_tls_stops_at_tls(server: Callable[..., int]) -> None:
    def speak_http(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    block = await blocked(secure(server(speak_http)))
    assert block.step is Step.TLS
    assert "broken off" in block.cause


async def test_intercepted_tls_is_told_with_who_intercepts(
    server: Callable[..., int], certificate: Callable[..., Certificate]
) -> None:
    block = await blocked(secure(server(behind_tls(certificate(), answer))))
    assert block.step is Step.TLS
    assert "TLS is intercepted" in block.cause
    assert "CN=Corporate Inspection" in block.cause
    assert "AWS_CA_BUNDLE" in block.fix


async def test_authorities_of_ones_own_without_amazons_are_told(
    server: Callable[..., int],
    certificate: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = tmp_path / "bundle.pem"
    other.write_bytes(certificate(issuer="Corporate").file.read_bytes())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))
    block = await blocked(secure(server(behind_tls(certificate(issuer="Amazon Root CA 1"), answer))))
    assert f"AWS_CA_BUNDLE, {other}, does not trust" in block.cause
    assert "AmazonRootCA1.pem" in block.fix


async def test_an_expired_certificate_may_be_the_clock(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(days=-1)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.file))
    block = await blocked(secure(server(behind_tls(made, answer))))
    assert "this machine's clock is wrong" in block.cause


async def test_a_certificate_for_another_name_is_told(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(name="portal.example.com")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.file))
    block = await blocked(secure(server(behind_tls(made, answer))))
    assert "certificate for another name" in block.cause


@pytest.mark.parametrize("contents", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_stop_at_tls(
    server: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contents: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if contents:
        bundle.write_text(contents)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    block = await blocked(secure(server(answer)))
    assert (block.step, block.fix) == (Step.TLS, "Correct or unset AWS_CA_BUNDLE.")


async def test_a_connection_that_is_closed_without_an_answer_stops_at_http(server: Callable[..., int]) -> None:
    block = await blocked(plain(server(lambda _: None)))
    assert block.step is Step.HTTP


async def test_a_server_that_never_answers_stops_at_http(server: Callable[..., int]) -> None:
    end = threading.Event()
    try:
        block = await blocked(plain(server(lambda _: end.wait(60) and None)), seconds=0.2)
    finally:
        end.set()
    assert block.step is Step.HTTP
    assert "timed out" in block.cause


async def test_a_proxy_tunnels_to_the_endpoint_with_its_credentials(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate()
    requests: list[bytes] = []

    def tunnel(sock: socket.socket) -> None:
        requests.append(read_request(sock))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        behind_tls(made, answer)(sock)

    port = server(tunnel)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.file))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{port}")
    way = await find_way(Endpoint.parse(HOST))
    assert f"127.0.0.1:{port} tunnels" in way.told
    assert way.date == DATE
    assert requests[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert base64.b64encode(b"ada:secret") in requests[0]


async def test_intercepted_tls_behind_a_proxy_is_told_with_who_intercepts(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate()
    port = server(proxy_answering("200 OK", behind_tls(made, answer)))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    block = await blocked(Endpoint.parse(HOST))
    assert "CN=Corporate Inspection" in block.cause


@pytest.mark.parametrize(
    ("line", "cause", "fix"),
    [
        ("407 Proxy Authentication Required", "wants other credentials", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        ("403 Forbidden", f"does not tunnel to {HOST}:443: it answers 403", "NO_PROXY"),
    ],
)
async def test_a_proxy_that_refuses_is_told_with_its_answer(
    server: Callable[..., int], monkeypatch: pytest.MonkeyPatch, line: str, cause: str, fix: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{server(proxy_answering(line))}")
    block = await blocked(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert cause in block.cause
    assert fix in block.fix
    assert "secret" not in f"{block.cause}{block.fix}"


async def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    block = await blocked(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert "cannot be reached" in block.cause
    assert f"put {HOST} into NO_PROXY" in block.fix


async def test_a_proxy_whose_name_is_not_resolved_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    block = await blocked(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert "proxy.invalid" in block.cause


async def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    assert (await blocked(Endpoint.parse(HOST))).step is Step.PROXY
