"""What can go wrong, in one tree.

PubSubError
 ├─ ConfigurationError        a value given to this library cannot be right
 │   ├─ TopicError            a topic or topic filter that AWS IoT would refuse
 │   └─ PayloadError          a payload that cannot be sent
 ├─ SignInError               Cognito does not sign the user in
 ├─ SessionError              Cognito refuses a call of a signed-in user
 │   └─ NotSignedInError      nobody is signed in
 ├─ ConnectionRefused         the connection could not be made
 ├─ ConnectionLost            the connection went away before an operation was answered
 ├─ SubscribeRefused          a topic filter was refused
 └─ PublishRefused            a message was refused
"""

from __future__ import annotations


class PubSubError(Exception):
    """Whatever this library raises itself."""


class ConfigurationError(PubSubError, ValueError):
    """A value given to this library cannot be right; nothing was sent."""


class TopicError(ConfigurationError):
    """A topic or topic filter that AWS IoT would refuse; nothing was sent."""


class PayloadError(ConfigurationError):
    """A payload that cannot be sent; the message names the place in it."""


class SignInError(PubSubError):
    """Cognito does not sign the user in.

    Args:
        code: Cognito's error code, or the challenge it asks for.
        message: what happened and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SessionError(PubSubError):
    """Cognito refuses a call of a signed-in user: tokens, identity id or credentials cannot be had."""


class NotSignedInError(SessionError):
    """Nobody is signed in."""


class ConnectionRefused(PubSubError):  # noqa: N818 - the field says "connection refused"
    """The connection could not be made.

    Args:
        endpoint: the host that was asked.
        reason: who refused, and why as far as can be told.
    """

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint} refused the connection: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class ConnectionLost(PubSubError):  # noqa: N818
    """The connection went away before an operation was answered; AWS IoT also answers a forbidden one this way."""


class SubscribeRefused(PubSubError):  # noqa: N818
    """The broker refused a topic filter.

    Args:
        topic_filter: the filter.
        reason: the broker's reason code, and what it means.
    """

    def __init__(self, topic_filter: str, reason: str) -> None:
        super().__init__(
            f"subscribing to {topic_filter} was refused: {reason}; iot:Subscribe on topicfilter/{topic_filter} must be "
            "allowed by the role and by an attached IoT policy"
        )
        self.topic_filter = topic_filter


class PublishRefused(PubSubError):  # noqa: N818
    """The broker refused a message.

    Args:
        topic: its topic.
        reason: the broker's reason code, and what it means.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(
            f"publishing to {topic} was refused: {reason}; iot:Publish on topic/{topic} must be allowed by the role and "
            "by an attached IoT policy"
        )
        self.topic = topic
