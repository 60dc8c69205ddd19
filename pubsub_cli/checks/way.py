"""The way to the endpoint, step by step, so that what stops a connection has a name: DNS, proxy, TCP, TLS, HTTP."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from pubsub_cli.checks.blocked import (
    PATH,
    BlockedError,
    distrusted,
    no_answer,
    no_tunnel,
    not_resolved,
    tls_broken_off,
    unreachable,
    unusable_authorities,
    unusable_proxy,
)
from pubsub_client._endpoint import Endpoint, Proxy, ca_bundle
from pubsub_client.exceptions import ConfigurationError


@dataclass(frozen=True)
class Way:
    """A way that leads to an HTTP answer.

    Args:
        told: what each step found, in order.
        date: the answer's ``Date`` header; None if it has none.
    """

    told: Sequence[str]
    date: str | None


async def find_way(endpoint: Endpoint, *, seconds: float = 5.0) -> Way:
    """Go to the endpoint and ask it something, as the WebSocket would go.

    Args:
        endpoint: where to go.
        seconds: the time each step may take.

    Raises:
        BlockedError: a step failed.
    """
    try:
        proxy = endpoint.proxy()
    except ConfigurationError as error:
        raise unusable_proxy(error) from error
    told: list[str] = []
    host, port = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
    addresses = await _look_up(host, port, proxy, seconds)
    if ips := [ip for ip in dict.fromkeys(each.ip for each in addresses) if ip != host]:
        told.append(f"{host} is {' and '.join(ips)}")
    return await asyncio.to_thread(_Walk(endpoint, proxy, addresses, seconds, told).go)


@dataclass(frozen=True)
class _Address:
    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def ip(self) -> str:
        return self.sockaddr[0]

    @property
    def version(self) -> str:
        return "IPv6" if self.family is socket.AF_INET6 else "IPv4"


async def _look_up(host: str, port: int, proxy: Proxy | None, seconds: float) -> list[_Address]:
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise not_resolved(host, proxy, f" within {seconds:g} s: DNS does not answer") from None
    except (OSError, UnicodeError) as error:
        raise not_resolved(host, proxy, f": {error}") from error
    return [_Address(socket.AddressFamily(family), sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Walk:
    """The steps after the name is resolved; they block."""

    endpoint: Endpoint
    proxy: Proxy | None
    addresses: Sequence[_Address]
    seconds: float
    told: list[str] = field(default_factory=list)

    def go(self) -> Way:
        """Go on from the addresses.

        Raises:
            BlockedError: a step failed.
        """
        sock = self._connect()
        try:
            if self.endpoint.tls:
                sock = self._secure(sock)
            return self._ask(sock)
        finally:
            sock.close()

    def _connect(self) -> socket.socket:
        """Return a socket that ends at the endpoint, through the proxy if there is one."""
        sock = self._reach()
        if self.proxy is None:
            return sock
        tunnel = _Tunnel(self.proxy.host, self.proxy.port, sock)
        tunnel.set_tunnel(self.endpoint.host, self.endpoint.port, self.proxy.headers)
        try:
            tunnel.connect()
        except (OSError, http.client.HTTPException) as error:
            sock.close()
            raise no_tunnel(self.endpoint, self.proxy, error) from error
        self.told.append(f"{self.proxy.host}:{self.proxy.port} tunnels")
        return sock

    def _reach(self) -> socket.socket:
        failed: dict[str, OSError] = {}
        for address in self.addresses:
            try:
                sock = self._open(address)
            except OSError as error:
                failed[address.ip] = error
                continue
            self.told.append(f"TCP by {address.version}" + "".join(f", not to {ip}" for ip in failed))
            return sock
        raise unreachable(self.endpoint, self.proxy, failed, self.seconds)

    def _open(self, address: _Address) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.settimeout(self.seconds)
        try:
            sock.connect(address.sockaddr)
        except OSError:
            sock.close()
            raise
        return sock

    def _secure(self, sock: socket.socket) -> ssl.SSLSocket:
        try:
            context = ssl.create_default_context(cafile=ca_bundle())
        except (ConfigurationError, ssl.SSLError) as error:
            raise unusable_authorities(error) from error
        try:
            secured = context.wrap_socket(sock, server_hostname=self.endpoint.host)
        except ssl.SSLCertVerificationError as error:
            raise distrusted(self.endpoint, error, self._issuer_unverified()) from error
        except OSError as error:
            sock.close()
            raise tls_broken_off(self.endpoint, error) from error
        self.told.append(f"{secured.version()}, certificate by {_issuer(secured)}")
        return secured

    def _issuer_unverified(self) -> str:
        """Return who issued the certificate that was refused; nothing is sent on this second connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with self._connect() as sock, context.wrap_socket(sock, server_hostname=self.endpoint.host) as secured:
                return _issuer(secured)
        except (OSError, BlockedError):
            return "an authority that cannot be told"

    def _ask(self, sock: socket.socket) -> Way:
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=self.seconds)
        connection.sock = sock
        try:
            connection.request("GET", PATH, headers={"Host": self.endpoint.authority})
            with connection.getresponse() as answer:
                self.told.append(f"HTTP {answer.status}")
                return Way(self.told, answer.getheader("Date"))
        except (OSError, http.client.HTTPException) as error:
            raise no_answer(self.endpoint, error) from error


class _Tunnel(http.client.HTTPConnection):
    """A tunnel on a socket that is connected to the proxy."""

    def __init__(self, host: str, port: int, sock: socket.socket) -> None:
        super().__init__(host, port)
        self._create_connection = lambda *_: sock  # http.client's own seam


def _issuer(secured: ssl.SSLSocket) -> str:
    from cryptography import x509  # slow to import, and only TLS needs it

    der = secured.getpeercert(binary_form=True)
    if der is None:
        return "nobody"
    try:
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()
    except ValueError:
        return "an authority whose name cannot be read"
