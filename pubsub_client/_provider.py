"""The interface of a provider, which knows one kind of broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol

from awscrt.http import HttpRequest
from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._endpoint import Endpoint


class MqttVersion(Enum):
    """A version of MQTT, by the protocol level in its CONNECT packet."""

    MQTT311 = 4
    MQTT5 = 5


class Operation(StrEnum):
    """An operation that a broker can deny."""

    CONNECT = "connecting as"
    PUBLISH = "publishing to"
    PUBLISH_RETAINED = "publishing to be retained at"
    SUBSCRIBE = "subscribing to"


@dataclass(frozen=True)
class UpgradeRequest:
    """The request for one WebSocket; its secrets are not shown.

    Args:
        path: path and query.
        headers: HTTP headers besides those of every upgrade.
        client_id_prefix: the beginning of a generated MQTT client id on this WebSocket.
    """

    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_id_prefix: str = ""

    def apply_to(self, request: HttpRequest, authority: str) -> None:
        """Set path, headers and the ``Host`` header of awscrt's request for a WebSocket."""
        request.path = self.path
        request.headers.set("Host", authority)
        for name, value in self.headers.items():
            request.headers.set(name, value)


@dataclass(frozen=True)
class Recovery:
    """The action of a provider after a denied connection.

    Args:
        text: the result, to show with the refusal.
        applied: whether a new attempt can succeed: the missing permission is there now, or takes effect soon.
    """

    text: str
    applied: bool


class Provider(Protocol):
    """A broker that speaks MQTT over WebSocket. The checks raise an error if the broker would refuse the value."""

    @property
    def endpoint(self) -> Endpoint:
        """The broker's address."""
        ...

    @property
    def versions(self) -> Sequence[MqttVersion]:
        """The versions of MQTT to try, the preferred one first."""
        ...

    @property
    def flow_control(self) -> ExtendedValidationAndFlowControlOptions:
        """How fast awscrt may send over MQTT 5."""
        ...

    @property
    def user_name(self) -> str | None:
        """The MQTT user name."""
        ...

    @property
    def password(self) -> str | None:
        """The MQTT password."""
        ...

    async def upgrade_request(self) -> UpgradeRequest:
        """Return the request for the next WebSocket; called for each connection.

        Raises:
            Exception: any reason why there is no request; it becomes the cause of the refusal.
        """
        ...

    def check_client_id(self, client_id: str) -> None:
        """Raise ConfigurationError for a client id beyond the broker's limits."""
        ...

    def check_topic(self, topic: str) -> None:
        """Raise TopicError for a well-formed topic or topic filter beyond the broker's limits."""
        ...

    def check_payload(self, payload: bytes) -> None:
        """Raise PayloadError for a payload beyond the broker's limits."""
        ...

    def check_subscriptions(self, number: int) -> None:
        """Raise ConfigurationError for more topic filters than one connection may have."""
        ...

    def check_keep_alive(self, seconds: int) -> None:
        """Raise ConfigurationError for a keep alive that the broker would replace."""
        ...

    def explain_denied_upgrade(self) -> str:
        """Return the meaning of HTTP status 401 or 403 to the upgrade, and the fix."""
        ...

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return why an operation on a client id, topic or topic filter is not authorized, and the fix."""
        ...

    async def recover_from_denial(self) -> Recovery | None:
        """Try to repair a denied connection; raises nothing.

        After a recovery was applied, this is not called again before a connection was made.

        Returns:
            The result; None if this provider has no means of recovery.
        """
        ...
