"""Any broker as a provider: MQTT 5 over a WebSocket, or MQTT 3.1.1 where the broker does not speak it.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901285 (section 6)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._endpoint import Endpoint
from pubsub_client._provider import MqttVersion, Operation, Remedy, UpgradeRequest
from pubsub_client.exceptions import ConfigurationError

# What stands in a URL as it is; everything else is percent-encoded.
_URL = re.compile(r"[!-~]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*")
# What every upgrade has, and what the client makes up itself (RFC 6455, section 4.1).
_RESERVED = {"host", "connection", "upgrade"}


class MqttOverWebSocket:
    """How to reach a broker by its URL.

        >>> provider = MqttOverWebSocket("wss://broker.example:8084/mqtt", user_name="ada", password=password)

    Args:
        url: ``ws://`` or ``wss://``, host, port if it is not 80 or 443, path and query.
        headers: HTTP headers that the broker, or what stands before it, wants on the upgrade.
        user_name: the MQTT user name.
        password: the MQTT password.
        ca_file: a PEM file of the authorities to trust; those of ``AWS_CA_BUNDLE``, or the system's own, unless given.
        proxy: the HTTP proxy to tunnel through, such as ``http://proxy.example:3128``, with user name and password if
            it asks for them; with ``wss://`` that of ``HTTPS_PROXY`` and ``NO_PROXY`` unless given.

    Raises:
        ConfigurationError: one of these cannot be right; the message names it.
    """

    versions = (MqttVersion.MQTT5, MqttVersion.MQTT311)
    flow_control = ExtendedValidationAndFlowControlOptions.NONE

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
            raise ConfigurationError("a password is given, but no user_name to go with it")
        self.endpoint, path = _parse(url, None if ca_file is None else Path(ca_file), proxy)
        self._request = UpgradeRequest(path, _checked_headers(headers or {}))
        self.endpoint.check_way()

    async def upgrade_request(self) -> UpgradeRequest:
        """Return path and headers as they were given."""
        return self._request

    def check_client_id(self, client_id: str) -> None:
        """Let every client id be: what a broker takes it tells itself."""

    def check_topic(self, topic: str) -> None:
        """Let every topic be."""

    def check_payload(self, payload: bytes) -> None:
        """Let every payload be."""

    def check_subscriptions(self, number: int) -> None:
        """Let any number be."""

    def check_keep_alive(self, seconds: int) -> None:
        """Let any keep alive be."""

    def explain_denied_upgrade(self) -> str:
        """Return what a broker, or what stands before it, refuses an upgrade for."""
        return "the broker, or a gateway before it, wants other headers or another path than were given"

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return what to look at."""
        who = "a client without user name" if self.user_name is None else f"user {self.user_name!r}"
        if operation is Operation.CONNECT:
            return f"the broker does not let {who} connect as {resource!r}: look at user name and password"
        return f"the broker does not allow {operation} {resource} to {who}: look at its access control list"

    async def remedy_denial(self) -> Remedy | None:
        """Return None: nothing can be done from here."""
        return None


def _parse(url: str, ca_file: Path | None, proxy: str | None) -> tuple[Endpoint, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("ws", "wss") or not host or port == 0 or parts.fragment or not _URL.fullmatch(url):
        raise ConfigurationError(
            f"the url {_without_secrets(url)!r} is not that of a WebSocket: give one such as wss://broker.example:8084/mqtt"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the url {_without_secrets(url)!r} has a user in it: give user_name and password on their own"
        )
    tls = parts.scheme == "wss"
    if ca_file is not None and not ca_file.is_file():
        raise ConfigurationError(f"ca_file names {ca_file}, which is no file")
    if ca_file is not None and not tls:
        raise ConfigurationError(
            f"ca_file is given, but the url {_without_secrets(url)!r} is reached without TLS: give wss://"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint.of_broker(host, port, parts.netloc, tls=tls, ca_file=ca_file, proxy_address=proxy), path


def _without_secrets(url: str) -> str:
    """Return a URL to be shown: without user and password, and without the query, in which there may be a token."""
    return re.sub(r"\?.*", "?...", re.sub(r"(?<=//)[^/?#]*@", "...@", url), flags=re.DOTALL)


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(f"{name}: {value}"):
            raise ConfigurationError(f"headers has {name!r}, which is no HTTP header or has a value that is none")
        if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
            raise ConfigurationError(f"headers has {name!r}, which the client sets itself")
    return dict(headers)
