"""The way to a host that the environment prescribes: its proxy and its certificate authorities.

``HTTPS_PROXY`` and ``NO_PROXY`` are read by the standard library, ``AWS_CA_BUNDLE`` as the AWS SDKs read it:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
"""

from __future__ import annotations

import base64
import os
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from awscrt import http

from pubsub_client.exceptions import ConfigurationError

_PROXY_PORT = 80


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that tunnels to a host; ``user_name`` is empty for a proxy that asks for none."""

    host: str
    port: int
    user_name: str = ""
    password: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What a CONNECT request carries besides its target."""
        if not self.user_name:
            return {}
        token = base64.b64encode(f"{self.user_name}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {token}"}

    @property
    def options(self) -> http.HttpProxyOptions:
        """The same for awscrt."""
        kind = http.HttpProxyAuthenticationType
        return http.HttpProxyOptions(
            self.host,
            self.port,
            auth_type=kind.Basic if self.user_name else kind.Nothing,
            auth_username=self.user_name,
            auth_password=self.password,
            connection_type=http.HttpProxyConnectionType.Tunneling,
        )


def proxy_to(host: str) -> Proxy | None:
    """Return the proxy to reach a host through; None to go directly.

    Raises:
        ConfigurationError: ``HTTPS_PROXY`` names something other than an HTTP proxy.
    """
    if urllib.request.proxy_bypass(host):
        return None
    address = urllib.request.getproxies().get("https")
    if not address:
        return None
    return proxy_at(address, "HTTPS_PROXY")


def proxy_at(address: str, named_by: str) -> Proxy:
    """Read the address of a proxy, with or without ``http://``, user name and password.

    Raises:
        ConfigurationError: it is not that of an HTTP proxy; ``named_by`` says where it was given.
    """
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or _PROXY_PORT
    except ValueError:  # its message may have the password in it
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise ConfigurationError(
            f"{named_by} names {_shown(parts)}, but only a proxy that is itself reached by http:// "
            "is supported, such as http://proxy.example:3128: name one, or none"
        )
    return Proxy(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "what is no URL"


def ca_bundle() -> Path | None:
    """Return the PEM file of the authorities to trust; None for the system's own.

    Raises:
        ConfigurationError: ``AWS_CA_BUNDLE`` names no file.
    """
    named = os.environ.get("AWS_CA_BUNDLE")
    if not named:
        return None
    if not Path(named).is_file():
        raise ConfigurationError(f"AWS_CA_BUNDLE names {named}, which is no file: correct or unset it")
    return Path(named)
