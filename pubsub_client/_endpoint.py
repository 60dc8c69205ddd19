"""Where the broker is, and how it is reached."""

from __future__ import annotations

import http.client
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from awscrt import io
from awscrt.exceptions import AwsCrtError

from pubsub_client._network import Proxy, ca_bundle, proxy_at, proxy_to
from pubsub_client.exceptions import ConfigurationError

_BARE_HOST = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>[0-9]{1,5}))?")
_LOOPBACK = "127.0.0.1"
_HTTP_PORT = 80
_TLS_PORT = 443
_LAST_PORT = 65535
_HTTP_SECONDS = 10.0


@dataclass(frozen=True)
class Endpoint:
    """The broker's address.

    Args:
        host: the name or address to open a socket to.
        port: the TCP port.
        tls: whether the socket speaks TLS.
        authority: what the ``Host`` header says, and a signature covers.
        ca_file: a PEM file of the authorities to trust; None for those of ``AWS_CA_BUNDLE``, or the system's own.
        proxy_address: the address of the proxy to go through; None for what the environment says.
    """

    host: str
    port: int
    tls: bool
    authority: str
    ca_file: Path | None = None
    proxy_address: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an endpoint as DescribeEndpoint gives it: a bare host, in the local cloud with a port.

        A host below ``.localhost`` is loopback and nothing else (RFC 6761, section 6.3): it is not looked up
        and needs no TLS. Every other host is reached by TLS.

        Raises:
            ConfigurationError: it is not a bare host.
        """
        match = _BARE_HOST.fullmatch(text)
        port = int(match["port"]) if match and match["port"] else None
        if match is None or port == 0 or (port or 0) > _LAST_PORT:
            raise ConfigurationError(
                f"the endpoint {text!r} is not a bare host: give it without scheme, path and spaces, such as "
                "abc123-ats.iot.eu-west-1.amazonaws.com"
            )
        host = match["host"].lower()
        return cls.of_broker(host, port, text, tls=not _is_local(host))

    @classmethod
    def of_broker(  # noqa: PLR0913 - the parts of a URL, and the way to it
        cls,
        host: str,
        port: int | None,
        authority: str,
        *,
        tls: bool,
        ca_file: Path | None = None,
        proxy_address: str | None = None,
    ) -> Self:
        """Make an endpoint of the parts of a URL; without TLS a host below ``.localhost`` is not looked up."""
        default = _TLS_PORT if tls else _HTTP_PORT
        return cls(
            _LOOPBACK if _is_local(host) and not tls else host, port or default, tls, authority, ca_file, proxy_address
        )

    def proxy(self) -> Proxy | None:
        """Return the proxy to go through; None to go directly, as to loopback unless a proxy is given.

        Raises:
            ConfigurationError: the proxy named, here or by the environment, cannot be used.
        """
        if self.proxy_address is not None:
            return proxy_at(self.proxy_address, "proxy")
        return proxy_to(self.host) if self.tls else None

    def tls_context(self) -> io.ClientTlsContext | None:
        """Return how awscrt speaks TLS; None if it does not.

        Raises:
            ConfigurationError: the authorities named cannot be used.
        """
        if not self.tls:
            return None
        options = io.TlsContextOptions()
        bundle = self.ca_file or ca_bundle()
        if bundle:
            options.override_default_trust_store_from_path(ca_filepath=str(bundle))
        try:
            return io.ClientTlsContext(options)
        except (AwsCrtError, RuntimeError) as error:
            named = f"{bundle} holds no authorities in PEM" if bundle else "the system's authorities cannot be read"
            raise ConfigurationError(f"{named}: {error}") from error

    def check_way(self) -> None:
        """Check what is named as proxy and as authorities.

        Raises:
            ConfigurationError: it cannot be used.
        """
        self.proxy()
        self.tls_context()

    def open_http(self) -> http.client.HTTPConnection:
        """Return an HTTP connection that goes the same way as the WebSocket; nothing is sent yet.

        Raises:
            ConfigurationError: the proxy or the authorities named cannot be used.
        """
        proxy = self.proxy()
        host, port = (proxy.host, proxy.port) if proxy else (self.host, self.port)
        connection = (
            http.client.HTTPSConnection(
                host,
                port,
                timeout=_HTTP_SECONDS,
                context=ssl.create_default_context(cafile=self.ca_file or ca_bundle()),
            )
            if self.tls
            else http.client.HTTPConnection(host, port, timeout=_HTTP_SECONDS)
        )
        if proxy:
            connection.set_tunnel(self.host, self.port, proxy.headers)
        return connection


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")
