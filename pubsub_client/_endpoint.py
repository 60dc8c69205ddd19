"""The AWS IoT endpoint: a bare host, and how it is reached."""

from __future__ import annotations

import http.client
import os
import re
import ssl
from dataclasses import dataclass
from typing import Self

from pubsub_client.exceptions import ConfigurationError

_HOST = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?")
_LOOPBACK = "127.0.0.1"
_TLS_PORT = 443


@dataclass(frozen=True)
class Endpoint:
    """Where the broker is.

    A host below ``.localhost`` is loopback and nothing else (RFC 6761), so it is not looked up and needs no TLS; that is
    how the embedded cloud is reached. Every other host is reached by TLS.
    """

    host: str
    port: int
    tls: bool
    authority: str
    """What the ``Host`` header says and the signature covers."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an endpoint as DescribeEndpoint gives it.

        Raises:
            ConfigurationError: it is not a bare host, with a port at most.
        """
        match = _HOST.fullmatch(text)
        if not match:
            raise ConfigurationError(
                f"endpoint {text!r}: give the bare host, such as abc123-ats.iot.eu-west-1.amazonaws.com, without a scheme "
                "and a path"
            )
        host, port = match["host"], match["port"]
        if host == "localhost" or host.endswith(".localhost"):
            return cls(_LOOPBACK, int(port or 80), tls=False, authority=text)
        return cls(host, int(port or _TLS_PORT), tls=True, authority=text)

    def open_http(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        """Return a plain HTTP connection to the same place, to learn what a refused upgrade does not tell."""
        if self.tls:
            context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
