"""Each step of the path to the endpoint, with real servers on loopback."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from pubsub_cli.checks.network_path import ConnectivityError, Step, probe_path
from pubsub_client._endpoint import Endpoint
from tests.integration.brokers.authority import Authority, Certificate

HOST = "abc-ats.iot.eu-west-1.amazonaws.com"
HOUR = timedelta(hours=1)
ANSWER = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[..., Certificate]:
    def make(name: str = HOST, issuer: str = "Corporate Inspection", valid: timedelta = HOUR) -> Certificate:
        return Authority(tmp_path, issuer).issue(name, valid=valid)

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
    context.load_cert_chain(certificate.chain, certificate.key)

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


async def connectivity_error(endpoint: Endpoint, timeout: float = 5.0) -> ConnectivityError:  # noqa: ASYNC109
    with pytest.raises(ConnectivityError) as block:
        await probe_path(endpoint, timeout=timeout)
    assert block.value.fix
    return block.value


async def test_path_without_tls_leads_to_a_response(server: Callable[..., int]) -> None:
    assert (await probe_path(plain(server(answer)))).steps == ["TCP by IPv4", "HTTP 403"]


async def test_path_by_tls_shows_version_and_issuer(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(issuer="Amazon RSA 2048 M01")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.authority))
    path = await probe_path(secure(server(behind_tls(made, answer))))
    assert f"{HOST} is 127.0.0.1" in path.steps
    assert "TLSv1.3, certificate by CN=Amazon RSA 2048 M01" in path.steps


async def test_unknown_name_stops_at_dns(names: dict[str, list[str]]) -> None:
    del names[HOST]
    block = await connectivity_error(Endpoint.parse(HOST))
    assert block.step is Step.DNS
    assert "Name or service not known" in block.cause
    assert block.fix.endswith(f"nslookup {HOST}")


async def test_hanging_resolver_stops_at_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(60))
    try:
        block = await connectivity_error(Endpoint.parse(HOST), timeout=0.05)
    finally:
        end.set()
    assert block.step is Step.DNS
    assert "not resolved within 0.05 s" in block.cause


async def test_closed_port_stops_at_tcp(unused_tcp_port: int) -> None:
    block = await connectivity_error(secure(unused_tcp_port))
    assert block.step is Step.TCP
    assert "127.0.0.1: Connection refused" in block.cause
    assert f"allows outgoing port {unused_tcp_port}" in block.fix


async def test_next_address_is_tried_after_a_dead_one(server: Callable[..., int], names: dict[str, list[str]]) -> None:
    names["127.0.0.1"] = ["::1", "127.0.0.1"]
    path = await probe_path(plain(server(answer)))
    assert "TCP by IPv4" in path.steps


def speak_http(sock: socket.socket) -> None:
    sock.recv(10)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("serve", [lambda _: None, speak_http], ids=["closed", "without TLS"])
async def test_broken_handshake_stops_at_tls(
    server: Callable[..., int], serve: Callable[[socket.socket], None]
) -> None:
    block = await connectivity_error(secure(server(serve)))
    assert block.step is Step.TLS
    assert "broken off" in block.cause


async def test_intercepted_tls_is_reported_with_the_issuer(
    server: Callable[..., int], certificate: Callable[..., Certificate]
) -> None:
    block = await connectivity_error(secure(server(behind_tls(certificate(), answer))))
    assert block.step is Step.TLS
    assert "TLS is intercepted" in block.cause
    assert "CN=Corporate Inspection" in block.cause
    assert "AWS_CA_BUNDLE" in block.fix


async def test_ca_bundle_without_amazons_authorities_is_reported(
    server: Callable[..., int],
    certificate: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = tmp_path / "bundle.pem"
    other.write_bytes(certificate(issuer="Corporate").authority.read_bytes())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))
    block = await connectivity_error(secure(server(behind_tls(certificate(issuer="Amazon Root CA 1"), answer))))
    assert f"AWS_CA_BUNDLE, {other}, does not trust" in block.cause
    assert "AmazonRootCA1.pem" in block.fix


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"valid": -HOUR}, "this machine's clock is wrong"),
        ({"name": "portal.example.com"}, "certificate for another name"),
    ],
)
async def test_invalid_certificate_is_reported_with_its_reason(
    server: Callable[..., int],
    certificate: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    cause: str,
) -> None:
    made = certificate(**options)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.authority))
    assert cause in (await connectivity_error(secure(server(behind_tls(made, answer))))).cause


@pytest.mark.parametrize("contents", [None, "no certificate"])
async def test_unreadable_ca_bundle_stops_at_tls(
    server: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contents: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if contents:
        bundle.write_text(contents)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    block = await connectivity_error(secure(server(answer)))
    assert (block.step, block.fix) == (Step.TLS, "Correct or unset AWS_CA_BUNDLE.")


async def test_connection_closed_without_response_stops_at_http(server: Callable[..., int]) -> None:
    block = await connectivity_error(plain(server(lambda _: None)))
    assert block.step is Step.HTTP


async def test_server_that_never_answers_stops_at_http(server: Callable[..., int]) -> None:
    end = threading.Event()
    try:
        block = await connectivity_error(plain(server(lambda _: end.wait(60) and None)), timeout=0.2)
    finally:
        end.set()
    assert block.step is Step.HTTP
    assert "timed out" in block.cause


async def test_proxy_tunnels_with_its_credentials(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate()
    requests: list[bytes] = []

    def tunnel(sock: socket.socket) -> None:
        requests.append(read_request(sock))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        behind_tls(made, answer)(sock)

    port = server(tunnel)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.authority))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{port}")
    path = await probe_path(Endpoint.parse(HOST))
    assert f"127.0.0.1:{port} tunnels" in path.steps
    assert requests[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert base64.b64encode(b"ada:secret") in requests[0]


async def test_intercepted_tls_behind_a_proxy_is_reported_with_the_issuer(
    server: Callable[..., int], certificate: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate()
    port = server(proxy_answering("200 OK", behind_tls(made, answer)))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    block = await connectivity_error(Endpoint.parse(HOST))
    assert "CN=Corporate Inspection" in block.cause


@pytest.mark.parametrize(
    ("line", "cause", "fix"),
    [
        (
            "407 Proxy Authentication Required",
            "requires other credentials",
            "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        ),
        ("403 Forbidden", f"does not tunnel to {HOST}:443: it answers 403", "NO_PROXY"),
    ],
)
async def test_proxy_that_refuses_is_reported_with_its_answer(
    server: Callable[..., int], monkeypatch: pytest.MonkeyPatch, line: str, cause: str, fix: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{server(proxy_answering(line))}")
    block = await connectivity_error(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert cause in block.cause
    assert fix in block.fix
    assert "secret" not in f"{block.cause}{block.fix}"


async def test_unreachable_proxy_is_reported(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    block = await connectivity_error(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert "cannot be reached" in block.cause
    assert f"add {HOST} to NO_PROXY" in block.fix


@pytest.mark.parametrize("address", ["http://proxy.invalid:3128", "socks5://proxy.invalid:1080"])
async def test_unknown_or_unsupported_proxy_is_reported(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    block = await connectivity_error(Endpoint.parse(HOST))
    assert block.step is Step.PROXY
    assert "proxy.invalid" in block.cause


@pytest.mark.parametrize(("minutes", "exceeded"), [(10, True), (0, False)])
async def test_clock_offset_is_taken_from_the_date_header(
    server: Callable[..., int], minutes: int, exceeded: bool
) -> None:
    def answer_with_date(sock: socket.socket) -> None:
        read_request(sock)
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
        sock.sendall(f"HTTP/1.1 403 Forbidden\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode())

    offset = (await probe_path(plain(server(answer_with_date)))).clock_offset
    assert offset is not None
    assert offset.exceeds(timedelta(minutes=1)) is exceeded
    if exceeded:
        assert str(offset).endswith("behind")


async def test_response_without_date_gives_no_clock_offset(server: Callable[..., int]) -> None:
    assert (await probe_path(plain(server(answer)))).clock_offset is None
