"""The way to the endpoint, step by step, so that what stops a connection has a name: DNS, proxy, TCP, TLS, HTTP."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography import x509

from pubsub_client._network import ca_bundle
from pubsub_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pubsub_client._endpoint import Endpoint
    from pubsub_client._network import Proxy

_TUNNEL_REFUSED = "Tunnel connection failed: "
_AUTHORITIES_OF_AWS = ("Amazon", "Starfield", "DigiCert", "VeriSign", "Symantec")
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST = 9, 10, 62
_PATH = "/mqtt"


class Step(StrEnum):
    """Where it stops."""

    DNS = "DNS"
    PROXY = "proxy"
    TCP = "TCP"
    TLS = "TLS"
    HTTP = "HTTP"


class BlockedError(Exception):
    """The way ends here.

    Args:
        step: at which step.
        cause: what happened there.
        fix: what to look at.
    """

    def __init__(self, step: Step, cause: str, fix: str) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause
        self.fix = fix


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
        raise BlockedError(Step.PROXY, f"{error}.", "Correct HTTPS_PROXY, or name the host in NO_PROXY.") from error
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
    step, kind = (Step.PROXY, "the proxy of HTTPS_PROXY") if proxy else (Step.DNS, "the endpoint")
    fix = (
        f"See that HTTPS_PROXY names the right host: nslookup {host}"
        if proxy
        else f"See that the name is right and that this network's DNS answers for it: nslookup {host}"
    )
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        cause = f"The name of {kind}, {host}, is not resolved within {seconds:g} s: DNS does not answer."
        raise BlockedError(step, cause, fix) from None
    except (OSError, UnicodeError) as error:
        raise BlockedError(step, f"The name of {kind}, {host}, is not resolved: {error}.", fix) from error
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

    @property
    def _curl(self) -> str:
        return f"curl -v {'https' if self.endpoint.tls else 'http'}://{self.endpoint.authority}{_PATH}"

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
            raise self._no_tunnel(self.proxy, error) from error
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
        raise self._unreachable(failed)

    def _open(self, address: _Address) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.settimeout(self.seconds)
        try:
            sock.connect(address.sockaddr)
        except OSError:
            sock.close()
            raise
        return sock

    def _unreachable(self, failed: dict[str, OSError]) -> BlockedError:
        reasons = "; ".join(
            f"{ip}: {f'no answer within {self.seconds:g} s' if isinstance(error, TimeoutError) else error.strerror}"
            for ip, error in failed.items()
        )
        if self.proxy:
            return BlockedError(
                Step.PROXY,
                f"The proxy {self.proxy.host}:{self.proxy.port} of HTTPS_PROXY cannot be reached ({reasons}).",
                "Correct HTTPS_PROXY; or, if this network needs no proxy for it, put "
                f"{self.endpoint.host} into NO_PROXY.",
            )
        return BlockedError(
            Step.TCP,
            f"There is no TCP connection to {self.endpoint.host} on port {self.endpoint.port} ({reasons}), so nobody "
            "connects from here.",
            f"See whether a firewall lets port {self.endpoint.port} out: "
            f"{self._curl}; where only a proxy leads out, name it in HTTPS_PROXY.",
        )

    def _no_tunnel(self, proxy: Proxy, error: Exception) -> BlockedError:
        answer = str(error).removeprefix(_TUNNEL_REFUSED)
        where = f"The proxy {proxy.host}:{proxy.port} of HTTPS_PROXY"
        target = f"{self.endpoint.host}:{self.endpoint.port}"
        if answer.startswith("407"):
            return BlockedError(
                Step.PROXY,
                f"{where} wants other credentials: it answers {answer}.",
                "Name them in it: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
            )
        return BlockedError(
            Step.PROXY,
            f"{where} does not tunnel to {target}: it answers {answer}.",
            f"Have it allow CONNECT to {target}; or, if this network needs no proxy for it, put {self.endpoint.host} "
            "into NO_PROXY.",
        )

    def _secure(self, sock: socket.socket) -> ssl.SSLSocket:
        try:
            context = ssl.create_default_context(cafile=ca_bundle())
        except (ConfigurationError, ssl.SSLError) as error:
            raise BlockedError(Step.TLS, f"{error}.", "Correct or unset AWS_CA_BUNDLE.") from error
        try:
            secured = context.wrap_socket(sock, server_hostname=self.endpoint.host)
        except ssl.SSLCertVerificationError as error:
            raise self._distrusted(error) from error
        except OSError as error:
            sock.close()
            raise BlockedError(
                Step.TLS,
                f"The TLS handshake with {self.endpoint.host} is broken off ({_words(error)}): something in between "
                "does not let TLS through, or what answers speaks none.",
                "See whether a firewall, a virus scanner or a proxy inspects TLS, and have it leave "
                f"{self.endpoint.host} alone.",
            ) from error
        self.told.append(f"{secured.version()}, certificate by {_issuer(secured)}")
        return secured

    def _distrusted(self, error: ssl.SSLCertVerificationError) -> BlockedError:
        issuer = self._issuer_unverified()
        said = error.verify_message
        host = self.endpoint.host
        if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
            return BlockedError(
                Step.TLS,
                f"The certificate of {host}, issued by {issuer}, is not valid now ({said}): this machine's clock is "
                "wrong, or the certificate is.",
                "See that this machine's date is right: date -u",
            )
        if error.verify_code == _OTHER_HOST:
            return BlockedError(
                Step.TLS,
                f"What answers for {host} has a certificate for another name, issued by {issuer} ({said}).",
                f"See that the endpoint's name is right, and what it resolves to: nslookup {host}",
            )
        bundle = os.environ.get("AWS_CA_BUNDLE")
        trusted = f"AWS_CA_BUNDLE, {bundle}," if bundle else "this machine"
        if any(name in issuer for name in _AUTHORITIES_OF_AWS):
            return BlockedError(
                Step.TLS,
                f"The certificate of {host} is issued by {issuer}, which {trusted} does not trust ({said}).",
                "Add https://www.amazontrust.com/repository/AmazonRootCA1.pem to AWS_CA_BUNDLE"
                if bundle
                else "Install the system's package of certificate authorities, such as ca-certificates.",
            )
        return BlockedError(
            Step.TLS,
            f"TLS is intercepted: what answers for {host} has a certificate issued by {issuer}, no authority of AWS's, "
            f"and {trusted} does not trust it ({said}). A proxy, firewall or virus scanner opens the connection.",
            f"Have it leave {host} alone; or trust its authority: AWS_CA_BUNDLE=FILE with its certificate as PEM, and "
            "for browsers in the system's store.",
        )

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
            connection.request("GET", _PATH, headers={"Host": self.endpoint.authority})
            with connection.getresponse() as answer:
                self.told.append(f"HTTP {answer.status}")
                return Way(self.told, answer.getheader("Date"))
        except (OSError, http.client.HTTPException) as error:
            raise BlockedError(
                Step.HTTP,
                f"{self.endpoint.authority} gives no HTTP answer ({_words(error)}).",
                "See that the endpoint's name and port are right, and that nothing in between ends the connection: "
                f"{self._curl}",
            ) from error


class _Tunnel(http.client.HTTPConnection):
    """A tunnel on a socket that is connected to the proxy."""

    def __init__(self, host: str, port: int, sock: socket.socket) -> None:
        super().__init__(host, port)
        self._create_connection = lambda *_: sock  # http.client's own seam


def _issuer(secured: ssl.SSLSocket) -> str:
    der = secured.getpeercert(binary_form=True)
    if der is None:
        return "nobody"
    try:
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()
    except ValueError:
        return "an authority whose name cannot be read"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
