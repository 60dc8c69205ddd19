"""The probe of the network path, with real servers on loopback: each failure names its step, cause and fix."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from pubsub_cli.checks.network_path import ConnectivityError, NetworkPath, Step, probe_path
from pubsub_client._endpoint import Endpoint
from tests.integration.brokers.authority import Authority, Certificate

HOST = "abc-ats.iot.eu-west-1.amazonaws.com"
HOUR = timedelta(hours=1)

Serve = Callable[[socket.socket], None]
"""Handles one connection of a server."""
Server = Callable[[Serve], int]
"""Starts a server, and returns its port."""
MakeCertificate = Callable[..., Certificate]


@pytest.fixture
def make_certificate(tmp_path: Path) -> MakeCertificate:
    def make(name: str = HOST, issuer: str = "Corporate Inspection", valid: timedelta = HOUR) -> Certificate:
        return Authority(tmp_path, issuer).issue(name, valid=valid)

    return make


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as servers:

        def start(serve: Serve) -> int:
            class Handler(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    with suppress(OSError):
                        serve(self.request)

            tcp_server = servers.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))
            servers.callback(tcp_server.shutdown)
            threading.Thread(target=tcp_server.serve_forever, args=(0.01,)).start()
            return int(tcp_server.server_address[1])

        yield start


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve only the endpoint, to loopback, and remove the settings of the network from the environment."""
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


def answer(sock: socket.socket, headers: str = "") -> None:
    read_request(sock)
    sock.sendall(f"HTTP/1.1 403 Forbidden\r\n{headers}Content-Length: 0\r\n\r\n".encode())


def close(_: socket.socket) -> None:
    """Close the connection at once."""


def never_answer(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def answer_without_tls(sock: socket.socket) -> None:
    sock.recv(10)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def behind_tls(certificate: Certificate, serve: Serve = answer) -> Serve:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)

    def secured(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as inner:
            serve(inner)

    return secured


def proxy_answering(status: str, then: Serve = close) -> Serve:
    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
        then(sock)

    return serve


async def probe_http(port: int, timeout: float = 5.0) -> NetworkPath:  # noqa: ASYNC109
    return await probe_path(Endpoint.parse(f"abc-ats.iot.eu-west-1.localhost:{port}"), timeout=timeout)


async def probe_tls(port: int = 443, timeout: float = 5.0) -> NetworkPath:  # noqa: ASYNC109
    return await probe_path(Endpoint.parse(f"{HOST}:{port}"), timeout=timeout)


async def test_path_without_tls_shows_tcp_and_http(server: Server) -> None:
    path = await probe_http(server(answer))
    assert (path.steps, path.clock_offset) == (["TCP by IPv4", "HTTP 403"], None)


async def test_path_by_tls_shows_address_version_and_issuer(
    server: Server, make_certificate: MakeCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(issuer="Amazon RSA 2048 M01")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
    path = await probe_tls(server(behind_tls(certificate)))
    assert f"{HOST} is 127.0.0.1" in path.steps
    assert "TLSv1.3, certificate by CN=Amazon RSA 2048 M01" in path.steps


async def test_next_address_is_tried_after_one_that_fails(server: Server, names: dict[str, list[str]]) -> None:
    names["127.0.0.1"] = ["::1", "127.0.0.1"]
    assert "TCP by IPv4" in (await probe_http(server(answer))).steps


async def test_unknown_name_fails_at_dns(names: dict[str, list[str]]) -> None:
    del names[HOST]
    with pytest.raises(ConnectivityError, match="Name or service not known") as error:
        await probe_tls()
    assert error.value.step is Step.DNS
    assert error.value.fix.endswith(f"nslookup {HOST}")


async def test_dns_without_an_answer_fails_at_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(60))
    try:
        with pytest.raises(ConnectivityError, match=r"cannot be resolved within 0\.05 s") as error:
            await probe_tls(timeout=0.05)
    finally:
        end.set()
    assert error.value.step is Step.DNS


async def test_closed_port_fails_at_tcp(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectivityError, match=r"127\.0\.0\.1: Connection refused") as error:
        await probe_tls(unused_tcp_port)
    assert error.value.step is Step.TCP
    assert f"allows outgoing connections to port {unused_tcp_port}" in error.value.fix


@pytest.mark.parametrize("serve", [close, answer_without_tls])
async def test_broken_handshake_fails_at_tls(server: Server, serve: Serve) -> None:
    with pytest.raises(ConnectivityError, match=r"handshake with .* fails") as error:
        await probe_tls(server(serve))
    assert error.value.step is Step.TLS


@pytest.mark.parametrize("by_proxy", [False, True])
async def test_intercepted_tls_names_the_issuer(
    server: Server, make_certificate: MakeCertificate, monkeypatch: pytest.MonkeyPatch, by_proxy: bool
) -> None:
    serve = behind_tls(make_certificate())
    port = server(proxy_answering("200 OK", serve) if by_proxy else serve)
    if by_proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectivityError, match=r"TLS is intercepted .* CN=Corporate Inspection") as error:
        await probe_tls(port)
    assert error.value.step is Step.TLS
    assert "AWS_CA_BUNDLE" in error.value.fix


async def test_ca_bundle_without_amazons_authority_fails_at_tls(
    server: Server, make_certificate: MakeCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_certificate(issuer="Corporate").authority
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))
    with pytest.raises(ConnectivityError, match=f"AWS_CA_BUNDLE, {other}, does not trust") as error:
        await probe_tls(server(behind_tls(make_certificate(issuer="Amazon Root CA 1"))))
    assert "AmazonRootCA1.pem" in error.value.fix


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"valid": -HOUR}, "Either this machine's clock or the certificate is wrong"),
        ({"name": "portal.example.com"}, "certificate for another name"),
    ],
)
async def test_invalid_certificate_fails_with_its_reason(
    server: Server,
    make_certificate: MakeCertificate,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    cause: str,
) -> None:
    certificate = make_certificate(**options)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
    with pytest.raises(ConnectivityError, match=cause):
        await probe_tls(server(behind_tls(certificate)))


@pytest.mark.parametrize("contents", [None, "no certificate"])
async def test_unreadable_ca_bundle_fails_at_tls(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contents: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if contents:
        bundle.write_text(contents)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    with pytest.raises(ConnectivityError) as error:
        await probe_tls(server(answer))
    assert (error.value.step, error.value.fix) == (Step.TLS, "Correct or unset AWS_CA_BUNDLE.")


@pytest.mark.parametrize(("serve", "cause"), [(close, "sends no HTTP response"), (never_answer, "timed out")])
async def test_missing_response_fails_at_http(server: Server, serve: Serve, cause: str) -> None:
    with pytest.raises(ConnectivityError, match=cause) as error:
        await probe_http(server(serve), timeout=0.2)
    assert error.value.step is Step.HTTP


async def test_proxy_gets_the_credentials_and_tunnels(
    server: Server, make_certificate: MakeCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate()
    requests: list[bytes] = []

    def tunnel(sock: socket.socket) -> None:
        requests.append(read_request(sock))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        behind_tls(certificate)(sock)

    port = server(tunnel)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.authority))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{port}")
    assert f"127.0.0.1:{port} tunnels" in (await probe_tls()).steps
    assert requests[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert base64.b64encode(b"ada:secret") in requests[0]


@pytest.mark.parametrize(
    ("status", "cause", "fix"),
    [
        (
            "407 Proxy Authentication Required",
            "does not accept the credentials",
            "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        ),
        ("403 Forbidden", f"does not tunnel to {HOST}:443: it answers 403", "NO_PROXY"),
    ],
)
async def test_proxy_that_rejects_the_request_is_reported_with_its_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: str, cause: str, fix: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{server(proxy_answering(status))}")
    with pytest.raises(ConnectivityError, match=cause) as error:
        await probe_tls()
    assert error.value.step is Step.PROXY
    assert fix in error.value.fix
    assert "secret" not in f"{error.value.cause}{error.value.fix}"


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("http://127.0.0.1:{unused_port}", "cannot be reached"),
        ("http://proxy.invalid:3128", r"proxy\.invalid, cannot be resolved"),
        ("socks5://proxy.invalid:1080", r"socks5://proxy\.invalid"),
    ],
    ids=["unreachable", "unknown", "unsupported"],
)
async def test_unusable_proxy_fails_at_the_proxy(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int, address: str, cause: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address.format(unused_port=unused_tcp_port))
    with pytest.raises(ConnectivityError, match=cause) as error:
        await probe_tls()
    assert error.value.step is Step.PROXY


@pytest.mark.parametrize(("minutes", "exceeded"), [(10, True), (0, False)])
async def test_clock_offset_comes_from_the_date_header(server: Server, minutes: int, exceeded: bool) -> None:
    def answer_with_date(sock: socket.socket) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
        answer(sock, f"Date: {date}\r\n")

    offset = (await probe_http(server(answer_with_date))).clock_offset
    assert offset is not None
    assert offset.exceeds(timedelta(minutes=1)) is exceeded
    if exceeded:
        assert str(offset).endswith("behind")
