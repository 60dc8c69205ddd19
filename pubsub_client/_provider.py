"""The base class of providers, which represent one kind of broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from awscrt.http import HttpRequest
from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._credentials import UserWatcher
from pubsub_client._endpoint import Endpoint


class MqttVersion(Enum):
    """A version of MQTT, by the protocol level in its CONNECT packet."""

    MQTT311 = 4
    MQTT5 = 5


class Operation(StrEnum):
    """An operation that a broker can deny."""

    CONNECT = "connecting as"
    PUBLISH = "publishing to"
    PUBLISH_RETAINED = "publishing a retained message to"
    SUBSCRIBE = "subscribing to"


@dataclass(frozen=True)
class UpgradeRequest:
    """The HTTP request for a WebSocket; ``repr()`` does not show its secrets.

    Args:
        path: path and query.
        headers: additional HTTP headers.
        client_id_prefix: the beginning of a random MQTT client id on this WebSocket.
    """

    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_id_prefix: str = ""

    def apply_to(self, request: HttpRequest, authority: str) -> None:
        """Set the path and the headers of awscrt's request."""
        request.path = self.path
        request.headers.set("Host", authority)
        for name, value in self.headers.items():
            request.headers.set(name, value)


@dataclass(frozen=True)
class Recovery:
    """The action of a provider after a denied connection.

    Args:
        text: the result, which is added to the error.
        applied: whether a new attempt can succeed, because the missing permission was added.
    """

    text: str
    applied: bool


class Provider(ABC):
    """A broker with MQTT over WebSocket. Checks raise an error for values that the broker would reject."""

    versions: Sequence[MqttVersion]
    """The versions of MQTT to try, the preferred one first."""
    flow_control = ExtendedValidationAndFlowControlOptions.NONE
    """awscrt's limits on sending over MQTT 5."""
    endpoint: Endpoint
    """The broker's address."""
    user_name: str | None = None
    """The MQTT user name."""
    password: str | None = None
    """The MQTT password."""

    @abstractmethod
    async def upgrade_request(self) -> UpgradeRequest:
        """Return the request for the next WebSocket; called for each connection.

        Raises:
            Exception: any error; it becomes the cause of the ConnectionRefused error.
        """

    @abstractmethod
    def explain_denied_upgrade(self) -> str:
        """Return why the upgrade was rejected with HTTP status 401 or 403, and the fix."""

    @abstractmethod
    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return why an operation on a client id, topic or topic filter was denied, and the fix."""

    async def recover_from_denial(self) -> Recovery | None:
        """Try to fix a denied connection; raise no errors.

        After an applied recovery, this is not called again until a connection succeeds.

        Returns:
            The result; None if this provider cannot recover.
        """
        return None

    def watch_user(self, watcher: UserWatcher) -> None:  # noqa: B027 - not abstract
        """Call the watcher when the user of the credentials changes; by default there is no such user."""

    # By default, the limits of the broker are unknown.

    def check_client_id(self, client_id: str) -> None:  # noqa: B027 - not abstract
        """Raise ConfigurationError for a client id beyond the broker's limits."""

    def check_topic(self, topic: str) -> None:  # noqa: B027 - not abstract
        """Raise TopicError for a well-formed topic or topic filter beyond the broker's limits."""

    def check_payload(self, payload: bytes) -> None:  # noqa: B027 - not abstract
        """Raise PayloadError for a payload beyond the broker's limits."""

    def check_subscriptions(self, number: int) -> None:  # noqa: B027 - not abstract
        """Raise ConfigurationError for more topic filters than one connection may have."""

    def check_keep_alive(self, seconds: int) -> None:  # noqa: B027 - not abstract
        """Raise ConfigurationError for a keep alive that the broker would change."""
