"""Probes the network path to an endpoint step by step, so that a failure names its step."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util.ssl_ import ssl_wrap_socket

from pubsub_client._endpoint import Endpoint, Proxy, ca_bundle
from pubsub_client.exceptions import ConfigurationError

PATH = "/mqtt"
"""The path of the WebSocket."""

_DATE_RESOLUTION = timedelta(seconds=1)
"""A ``Date`` header has whole seconds."""
_TUNNEL_REFUSED = "Tunnel connection failed: "
_AUTHORITIES_OF_AWS = ("Amazon", "Starfield", "DigiCert", "VeriSign", "Symantec")
# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST = 9, 10, 62


class Step(StrEnum):
    """A step of the path."""

    DNS = "DNS"
    PROXY = "proxy"
    TCP = "TCP"
    TLS = "TLS"
    HTTP = "HTTP"


class ConnectivityError(Exception):
    """A step of the path failed."""

    def __init__(self, step: Step, cause: str, fix: str) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause
        self.fix = fix


@dataclass(frozen=True)
class ClockOffset:
    """The time by which this machine's clock is ahead of a server's; negative if it is behind.

    Args:
        ahead: the estimate.
        uncertainty: the largest error of the estimate: half the round trip and half the resolution of the header.
    """

    ahead: timedelta
    uncertainty: timedelta

    @classmethod
    def of(cls, date: str, sent: datetime, received: datetime) -> ClockOffset | None:
        """Compare a ``Date`` header with this machine's times of request and response; None if it is not a date."""
        try:
            server = parsedate_to_datetime(date)
        except ValueError:
            return None
        if server.tzinfo is None:
            server = server.replace(tzinfo=UTC)
        half = (received - sent) / 2
        return cls(sent + half - (server + _DATE_RESOLUTION / 2), half + _DATE_RESOLUTION / 2)

    def __str__(self) -> str:
        return f"{abs(self.ahead).total_seconds():.0f} s {'ahead' if self.ahead >= timedelta() else 'behind'}"

    def exceeds(self, limit: timedelta) -> bool:
        """Return whether the offset is certainly larger than a limit."""
        return abs(self.ahead) - self.uncertainty > limit


@dataclass(frozen=True)
class NetworkPath:
    """A path on which a server answered.

    Args:
        steps: the result of each step, in order.
        clock_offset: from the ``Date`` header of the response; None without one.
    """

    steps: Sequence[str]
    clock_offset: ClockOffset | None


async def probe_path(endpoint: Endpoint, *, timeout: float = 5.0) -> NetworkPath:  # noqa: ASYNC109 - of each step
    """Send an HTTP request to an endpoint on the path that the WebSocket takes.

    Args:
        endpoint: the endpoint.
        timeout: seconds for each step.

    Raises:
        ConnectivityError: a step failed.
    """
    try:
        proxy = endpoint.proxy()
    except ConfigurationError as error:
        fix = "Correct HTTPS_PROXY, or add the host to NO_PROXY."
        raise ConnectivityError(Step.PROXY, f"{error}.", fix) from error
    addresses = await _resolve(endpoint, proxy, timeout)
    return await asyncio.to_thread(_Probe(endpoint, proxy, addresses, timeout).run)


async def _resolve(endpoint: Endpoint, proxy: Proxy | None, seconds: float) -> list[str]:
    host, port = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        why = f" within {seconds:g} s: DNS does not answer"
    except (OSError, UnicodeError) as error:
        why = f": {error}"
    else:
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if proxy:
        cause = f"The host name of the proxy in HTTPS_PROXY, {host}, cannot be resolved{why}."
        raise ConnectivityError(Step.PROXY, cause, f"Check the host name in HTTPS_PROXY: nslookup {host}")
    raise ConnectivityError(
        Step.DNS,
        f"The endpoint's host name, {host}, cannot be resolved{why}.",
        f"Check that the endpoint is right and that this network's DNS resolves it: nslookup {host}",
    )


@dataclass(frozen=True)
class _Probe:
    """The steps after DNS, as blocking calls."""

    endpoint: Endpoint
    proxy: Proxy | None
    addresses: Sequence[str]
    timeout: float

    def run(self) -> NetworkPath:
        steps: list[str] = []
        with self._connect(steps) as connection:
            if self.endpoint.tls:
                connection.sock = self._start_tls(connection, steps)
            return self._send_request(connection, steps)

    @contextmanager
    def _connect(self, steps: list[str]) -> Iterator[HTTPConnection]:
        """Open a TCP connection, through the proxy's tunnel if there is a proxy."""
        host, port = (self.proxy.host, self.proxy.port) if self.proxy else (self.endpoint.host, self.endpoint.port)
        connection = HTTPConnection(host, port, timeout=self.timeout)
        if self.proxy:
            connection.set_tunnel(self.endpoint.host, self.endpoint.port, self.proxy.headers)
        try:
            try:
                connection.connect()
            except (NewConnectionError, ConnectTimeoutError) as error:
                raise self._unreachable(error) from error
            except (OSError, http.client.HTTPException) as error:
                raise self._no_tunnel(error) from error
            if self.addresses != [host]:
                steps.append(f"{host} is {' and '.join(self.addresses)}")
            steps.append(f"TCP by {'IPv6' if connection.sock.family is socket.AF_INET6 else 'IPv4'}")
            if self.proxy:
                steps.append(f"{host}:{port} tunnels")
            yield connection
        finally:
            connection.close()

    def _start_tls(self, connection: HTTPConnection, steps: list[str]) -> ssl.SSLSocket:
        host = self.endpoint.host
        try:
            context = ssl.create_default_context(cafile=ca_bundle())
        except (ConfigurationError, ssl.SSLError) as error:
            raise ConnectivityError(Step.TLS, f"{error}.", "Correct or unset AWS_CA_BUNDLE.") from error
        try:
            secured = _wrap(connection, context, host)
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(host, error, self._issuer_unverified()) from error
        except OSError as error:
            raise ConnectivityError(
                Step.TLS,
                f"The TLS handshake with {host} fails ({_text(error)}): the server does not use TLS, or a device on "
                "the path blocks TLS.",
                f"Check whether a firewall, virus scanner or proxy inspects TLS, and exclude {host} from it.",
            ) from error
        steps.append(f"{secured.version()}, certificate by {_issuer(secured)}")
        return secured

    def _issuer_unverified(self) -> str:
        """Return the issuer of a rejected certificate. The second connection that this needs sends no data."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with self._connect([]) as connection, _wrap(connection, context, self.endpoint.host) as secured:
                return _issuer(secured)
        except (OSError, ConnectivityError):
            return "an unknown authority"

    def _send_request(self, connection: HTTPConnection, steps: list[str]) -> NetworkPath:
        try:
            sent = datetime.now(UTC)
            connection.request("GET", PATH, headers={"Host": self.endpoint.authority})
            response = connection.getresponse()
            received = datetime.now(UTC)
        except (OSError, http.client.HTTPException, HTTPError) as error:
            raise ConnectivityError(
                Step.HTTP,
                f"{self.endpoint.authority} sends no HTTP response ({_text(error)}).",
                "Check the endpoint's name and port, and whether a device on the path closes the connection: "
                f"{self._curl}",
            ) from error
        steps.append(f"HTTP {response.status}")
        return NetworkPath(steps, ClockOffset.of(response.headers.get("Date", ""), sent, received))

    def _unreachable(self, error: HTTPError) -> ConnectivityError:
        cause = error.__cause__
        timed_out = not isinstance(error, NewConnectionError)
        reason = f"no answer within {self.timeout:g} s" if timed_out else getattr(cause, "strerror", None) or cause
        reasons = f"{' and '.join(self.addresses)}: {reason}"
        host, port = self.endpoint.host, self.endpoint.port
        if self.proxy:
            return ConnectivityError(
                Step.PROXY,
                f"The proxy {self.proxy.host}:{self.proxy.port} in HTTPS_PROXY cannot be reached ({reasons}).",
                f"Correct HTTPS_PROXY. If this network needs no proxy for it, add {host} to NO_PROXY.",
            )
        return ConnectivityError(
            Step.TCP,
            f"No TCP connection to {host} on port {port} can be opened ({reasons}), so clients here cannot connect.",
            "If this network needs a proxy, set HTTPS_PROXY. Otherwise check whether a firewall allows outgoing "
            f"connections to port {port}: {self._curl}",
        )

    def _no_tunnel(self, error: Exception) -> ConnectivityError:
        answer = _text(error).removeprefix(_TUNNEL_REFUSED)
        proxy = f"The proxy {self.proxy.host}:{self.proxy.port} in HTTPS_PROXY" if self.proxy else "The proxy"
        target = f"{self.endpoint.host}:{self.endpoint.port}"
        if answer.startswith("407"):
            return ConnectivityError(
                Step.PROXY,
                f"{proxy} does not accept the credentials: it answers {answer}.",
                "Set the user name and password of the proxy: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
            )
        return ConnectivityError(
            Step.PROXY,
            f"{proxy} does not tunnel to {target}: it answers {answer}.",
            f"Allow CONNECT to {target} in the proxy. If this network needs no proxy for it, add {self.endpoint.host} "
            "to NO_PROXY.",
        )

    @property
    def _curl(self) -> str:
        return f"curl -v {'https' if self.endpoint.tls else 'http'}://{self.endpoint.authority}{PATH}"


def _untrusted(host: str, error: ssl.SSLCertVerificationError, issuer: str) -> ConnectivityError:
    """Return the error for a certificate that did not pass verification."""
    reason = error.verify_message
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return ConnectivityError(
            Step.TLS,
            f"The certificate of {host}, issued by {issuer}, is not valid now ({reason}). Either this machine's clock "
            "or the certificate is wrong.",
            "Check this machine's date: date -u",
        )
    if error.verify_code == _OTHER_HOST:
        return ConnectivityError(
            Step.TLS,
            f"The server at {host} has a certificate for another name, issued by {issuer} ({reason}).",
            f"Check the endpoint, and the address that its name resolves to: nslookup {host}",
        )
    bundle = os.environ.get("AWS_CA_BUNDLE")
    truststore = f"AWS_CA_BUNDLE, {bundle}," if bundle else "this machine"
    if any(name in issuer for name in _AUTHORITIES_OF_AWS):
        return ConnectivityError(
            Step.TLS,
            f"The certificate of {host} is issued by {issuer}, which {truststore} does not trust ({reason}).",
            "Add https://www.amazontrust.com/repository/AmazonRootCA1.pem to AWS_CA_BUNDLE."
            if bundle
            else "Install the system's package of certificate authorities, such as ca-certificates.",
        )
    return ConnectivityError(
        Step.TLS,
        f"TLS is intercepted by a proxy, firewall or virus scanner: the certificate for {host} is issued by {issuer}, "
        f"which is not an authority of AWS, and {truststore} does not trust it ({reason}).",
        f"Exclude {host} from the inspection. Or trust the authority: set AWS_CA_BUNDLE to a PEM file that includes "
        "its certificate; for browsers, add the certificate to the system's store.",
    )


def _wrap(connection: HTTPConnection, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    return ssl_wrap_socket(connection.sock, ssl_context=context, server_hostname=host)


def _issuer(secured: ssl.SSLSocket) -> str:
    from cryptography import x509  # slow to import, and only TLS needs it

    certificate = secured.getpeercert(binary_form=True)
    try:
        return x509.load_der_x509_certificate(certificate or b"").issuer.rfc4514_string()
    except ValueError:
        return "an authority whose name cannot be read"


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
