"""What the core asks of a link: one connection of one version of MQTT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pubsub_client._client_id import ClientId
from pubsub_client._provider import Provider, UpgradeRequest

FIRST_FAILURE = 0x80
"""MQTT's reason codes from here on tell of a failure (MQTT 5, section 2.4)."""


class Packet(NamedTuple):
    """An application message on its way, in either direction.

    Args:
        topic: the topic.
        payload: the bytes.
        qos: 0 or 1.
        retain: sent, whether the broker shall keep it; received, whether it had kept it.
        content_type: MQTT 5's content type; MQTT 3.1.1 has none.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str | None = None


class Answer(NamedTuple):
    """What came of a message sent, a subscription, or the end of one.

    Args:
        code: the reason code of MQTT 5, or the one that means the same; None if the broker's is unknown.
        text: the broker's own words.
        error: why there is no answer; :class:`DroppedError` if the connection went away first.
    """

    code: int | None = 0
    text: str | None = None
    error: Exception | None = None

    @property
    def refused(self) -> bool:
        """Whether the broker answered, and refuses."""
        return self.error is None and (self.code is None or self.code >= FIRST_FAILURE)


SUCCESS = Answer()


class Drop(NamedTuple):
    """The end of a connection that was up: the broker's reason code if it told one, and the reason to be read."""

    code: int | None
    reason: str


class DroppedError(Exception):
    """The connection went away; the message is the reason.

    Args:
        reason: why.
        was_sent: whether what is unanswered may have reached the broker.
    """

    def __init__(self, reason: str, *, was_sent: bool = True) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


class AttemptFailed(Exception):  # noqa: N818 - as ConnectionRefused
    """A connection was not made.

    Args:
        error: what awscrt says.
        connack: the broker's answer if there was one: reason code of MQTT 5, and its own words.
    """

    def __init__(self, error: Exception, connack: tuple[int, str | None] | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.connack = connack


@dataclass(frozen=True)
class ConnectOptions:
    """What a client says of itself when it connects.

    Args:
        client_id: the MQTT client id.
        keep_alive: seconds after which a silent connection is asked whether it is still there.
        session_expiry: seconds for which the broker keeps the session of a connection that went away; MQTT 5 alone.
        resume: whether to go on with a session that the broker has kept.
        will: published by the broker if the connection goes away without a goodbye.
    """

    client_id: ClientId
    keep_alive: int
    session_expiry: int
    resume: bool
    will: Packet | None


class Link(Protocol):
    """One connection: opened once, and over for good when it is refused, dropped or closed.

    Everything is called on the loop, and calls back on the loop. Nothing is sent again.

    Args:
        provider: the broker and how it is reached.
        options: what the client says of itself.
        on_received: told each message.
        on_dropped: told once when a connection that was up goes away, after everything unanswered was answered.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_dropped: Callable[[Drop], None],
    ) -> None: ...

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect by this request; return whether the broker remembers the session.

        Raises:
            AttemptFailed: there is no connection.
        """
        ...

    def publish(self, packet: Packet, answered: Callable[[Answer], None]) -> None:
        """Send a message; answered when acknowledged, with QoS 0 when written."""
        ...

    def subscribe(self, topic_filter: str, qos: int, answered: Callable[[Answer], None]) -> None:
        """Subscribe to a topic filter."""
        ...

    def unsubscribe(self, topic_filter: str, answered: Callable[[Answer], None]) -> None:
        """Unsubscribe from a topic filter."""
        ...

    async def close(self) -> None:
        """Disconnect in whatever state, and let go of what awscrt keeps, in five seconds at most.

        Nothing is called back afterwards.
        """
        ...
