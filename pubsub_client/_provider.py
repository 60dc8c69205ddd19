"""What the core asks of a provider, which knows one kind of broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Protocol

from awscrt.http import HttpRequest
from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._endpoint import Endpoint


class MqttVersion(Enum):
    """A version of MQTT, by the protocol level that a CONNECT packet names."""

    MQTT311 = 4
    MQTT5 = 5


class Operation(StrEnum):
    """What a broker may refuse."""

    CONNECT = "connecting as"
    PUBLISH = "publishing to"
    PUBLISH_RETAINED = "publishing to be retained at"
    SUBSCRIBE = "subscribing to"


@dataclass(frozen=True)
class UpgradeRequest:
    """The request for one WebSocket; what may be secret in it is not shown.

    Args:
        path: path and query.
        headers: HTTP headers besides those of every upgrade.
        client_id_prefix: what the MQTT client id on this WebSocket has to begin with, if it is made up.
    """

    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_id_prefix: str = ""

    def fill(self, request: HttpRequest, authority: str) -> None:
        """Make awscrt's request for a WebSocket this one; the authority is what the ``Host`` header is to say."""
        request.path = self.path
        request.headers.set("Host", authority)
        for name, value in self.headers.items():
            request.headers.set(name, value)


@dataclass(frozen=True)
class Remedy:
    """What a provider has done about a denied connection.

    Args:
        text: what came of it, to be told with the refusal.
        applied: whether it is worth trying again: what may have been missing is there now, or will act in a while.
    """

    text: str
    applied: bool


class Provider(Protocol):
    """A broker that speaks MQTT over WebSocket."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        ...

    @property
    def versions(self) -> Sequence[MqttVersion]:
        """The versions of MQTT to try, the preferred one first."""
        ...

    @property
    def flow_control(self) -> ExtendedValidationAndFlowControlOptions:
        """How fast awscrt may send with MQTT 5."""
        ...

    @property
    def user_name(self) -> str | None:
        """The user name to connect with."""
        ...

    @property
    def password(self) -> str | None:
        """The password to connect with."""
        ...

    async def upgrade_request(self) -> UpgradeRequest:
        """Return what to ask for the next WebSocket with; asked anew for each connection.

        Raises:
            Exception: whatever keeps the request from being made; it becomes the cause of the refusal.
        """
        ...

    def check_client_id(self, client_id: str) -> None:
        """Check a client id against the broker's limits.

        Raises:
            ConfigurationError: the broker would refuse it.
        """
        ...

    def check_topic(self, topic: str) -> None:
        """Check a topic or topic filter, well-formed by the specification, against the broker's limits.

        Raises:
            TopicError: the broker would refuse it.
        """
        ...

    def check_payload(self, payload: bytes) -> None:
        """Check a payload against the broker's limits.

        Raises:
            PayloadError: the broker would refuse it.
        """
        ...

    def check_subscriptions(self, number: int) -> None:
        """Check how many topic filters one connection is to be subscribed to.

        Raises:
            ConfigurationError: the broker would refuse the last of them.
        """
        ...

    def check_keep_alive(self, seconds: int) -> None:
        """Check after how many seconds a silent connection is to be asked whether it is still there.

        Raises:
            ConfigurationError: the broker would take another figure.
        """
        ...

    def explain_denied_upgrade(self) -> str:
        """Say what an HTTP status 401 or 403 to the upgrade means, and what to do."""
        ...

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Say what "not authorized" means for an operation, and what to do.

        Args:
            operation: what was refused.
            resource: the client id, topic or topic filter.
        """
        ...

    async def remedy_denial(self) -> Remedy | None:
        """Do what can be done about a denied connection, and say what came of it; nothing is raised.

        Once a remedy has been applied it is not asked for again until a connection was made.

        Returns:
            What came of it; None if this provider knows no remedy.
        """
        ...
