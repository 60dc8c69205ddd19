"""Where the broker is, and how it is reached."""

from __future__ import annotations

import http.client
import re
import ssl
from dataclasses import dataclass
from typing import Self

from pubsub_client._network import Proxy, ca_bundle, proxy_to
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
    """

    host: str
    port: int
    tls: bool
    authority: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an endpoint as DescribeEndpoint gives it: a bare host, in the embedded cloud with a port.

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
        if host == "localhost" or host.endswith(".localhost"):
            return cls(_LOOPBACK, port or _HTTP_PORT, tls=False, authority=text)
        return cls(host, port or _TLS_PORT, tls=True, authority=text)

    def proxy(self) -> Proxy | None:
        """Return the proxy to go through; None to go directly, as always to loopback.

        Raises:
            ConfigurationError: the environment names a proxy that cannot be used.
        """
        return proxy_to(self.host) if self.tls else None

    def open_http(self) -> http.client.HTTPConnection:
        """Return an HTTP connection that goes the same way as the WebSocket; nothing is sent yet.

        Raises:
            ConfigurationError: the environment names a proxy or authorities that cannot be used.
        """
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=_HTTP_SECONDS)
        context = ssl.create_default_context(cafile=ca_bundle())
        proxy = self.proxy()
        if proxy is None:
            return http.client.HTTPSConnection(self.host, self.port, timeout=_HTTP_SECONDS, context=context)
        connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=_HTTP_SECONDS, context=context)
        connection.set_tunnel(self.host, self.port, proxy.headers)
        return connection
