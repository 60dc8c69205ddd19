"""Any broker with WebSockets as a provider: MQTT 5, or MQTT 3.1.1 if the broker does not speak MQTT 5.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901285 (section 6)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from pubsub_client._endpoint import Endpoint
from pubsub_client._provider import MqttVersion, Operation, Provider, UpgradeRequest
from pubsub_client.exceptions import ConfigurationError

# The characters that a URL may contain unencoded.
_URL = re.compile(r"[!-~]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*")
# The headers of every upgrade (RFC 6455, section 4.1).
_RESERVED = {"host", "connection", "upgrade"}


class MqttOverWebSocket(Provider):
    """A broker with MQTT over WebSocket.

        >>> provider = MqttOverWebSocket("wss://broker.example:8084/mqtt", user_name="ada", password=password)

    Args:
        url: the URL, with ``ws://`` or ``wss://``.
        headers: HTTP headers of the WebSocket request, for the broker or a gateway in front of it.
        user_name: the MQTT user name.
        password: the MQTT password.
        ca_file: a PEM file of trusted certificate authorities; None for ``AWS_CA_BUNDLE``, or the system's default.
        proxy: the HTTP proxy, such as ``http://user:password@proxy.example:3128``; None for the environment's, which
            applies only to ``wss://``.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    versions = (MqttVersion.MQTT5, MqttVersion.MQTT311)

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        user_name: str | None = None,
        password: str | None = None,
        ca_file: str | PathLike[str] | None = None,
        proxy: str | None = None,
    ) -> None:
        self.user_name = user_name
        self.password = password
        if password is not None and user_name is None:
            raise ConfigurationError("password requires user_name; pass both")
        self.endpoint, path = _parse(url, None if ca_file is None else Path(ca_file), proxy)
        self._request = UpgradeRequest(path, _checked_headers(headers or {}))
        self.endpoint.check_network_settings()

    async def upgrade_request(self) -> UpgradeRequest:
        """Return the path of the URL and the headers."""
        return self._request

    def explain_denied_upgrade(self) -> str:
        """Return the likely cause of a rejected upgrade."""
        return "the broker, or a gateway in front of it, may require other headers or another path"

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return the setting to check."""
        who = "a client without user name" if self.user_name is None else f"user {self.user_name!r}"
        if operation is Operation.CONNECT:
            return f"the broker does not let {who} connect as {resource!r}; check user name and password"
        return f"{who} lacks the permission for {operation} {resource}; check the broker's access control list"


def _parse(url: str, ca_file: Path | None, proxy: str | None) -> tuple[Endpoint, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("ws", "wss") or not host or port == 0 or parts.fragment or not _URL.fullmatch(url):
        raise ConfigurationError(
            f"the url {_without_secrets(url)!r} is not a WebSocket URL; pass one such as wss://broker.example:8084/mqtt"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the url {_without_secrets(url)!r} contains a user name or password; pass user_name and password instead"
        )
    tls = parts.scheme == "wss"
    if ca_file is not None and not ca_file.is_file():
        raise ConfigurationError(f"ca_file is {ca_file}, which does not exist")
    if ca_file is not None and not tls:
        raise ConfigurationError(
            f"ca_file requires TLS, but the url is {_without_secrets(url)!r}; use wss:// or remove ca_file"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint.from_url_parts(host, port, parts.netloc, tls=tls, ca_file=ca_file, proxy_address=proxy), path


def _without_secrets(url: str) -> str:
    """Return a URL without user name, password and query, because the query may contain a token."""
    return re.sub(r"\?.*", "?...", re.sub(r"(?<=//)[^/?#]*@", "...@", url), flags=re.DOTALL)


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(f"{name}: {value}"):
            raise ConfigurationError(f"headers contains {name!r}, which is not an HTTP header or has an invalid value")
        if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
            raise ConfigurationError(f"headers contains {name!r}, which the client sets itself; remove it")
    return dict(headers)
