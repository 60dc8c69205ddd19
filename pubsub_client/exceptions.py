"""What can go wrong, in one tree.

PubSubError
 ├─ ConfigurationError (ValueError)     a value given to this library cannot be right
 │   ├─ TopicError                      a topic or topic filter that the broker would refuse
 │   └─ PayloadError                    a payload that cannot be sent
 ├─ SignInError                         Cognito does not sign the user in
 ├─ SessionError                        a session gives no identity id, credentials, attachment or sign-out
 ├─ ConnectionRefused (ConnectionError) the connection cannot be made
 ├─ ConnectionLost (ConnectionError)    the connection went away before an answer came
 ├─ QueueFull                           too many messages wait or are unacknowledged
 ├─ SubscribeRefused                    the broker refuses a topic filter
 └─ PublishRefused                      the broker refuses a message
"""

# "Refused" and "lost" are what the field says, as in Python's own ConnectionRefusedError.
# ruff: noqa: N818

from __future__ import annotations

from pubsub_client._printable import one_line


class PubSubError(Exception):
    """Whatever this library raises itself.

    Its text is one line, and safe to show on a terminal: what a broker, a topic or AWS put into it is escaped. The
    attributes of the errors below are as they came.
    """

    def __str__(self) -> str:
        """Return the text, escaped."""
        return one_line(super().__str__())


class ConfigurationError(PubSubError, ValueError):
    """A value given to this library cannot be right; nothing was sent."""


class TopicError(ConfigurationError):
    """A topic or topic filter that the broker would refuse; nothing was sent."""


class PayloadError(ConfigurationError):
    """A payload that cannot be sent; nothing was sent.

    Args:
        path: the place in the payload, such as ``$.orders[2].when``.
        problem: what is wrong there.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"the payload cannot be sent: {path} {problem}")
        self.path = path


class SignInError(PubSubError):
    """Cognito does not sign the user in.

    Args:
        code: Cognito's error code, or the name of the challenge it asks for.
        message: what happened and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SessionError(PubSubError):
    """A session gives no identity id, credentials or attached policy, or cannot be ended; the message says why."""


class ConnectionRefused(PubSubError, ConnectionError):
    """The connection cannot be made.

    Args:
        endpoint: the host that was asked.
        reason: who refuses and why, as far as can be told, and what to do.
        denied: whether the broker refuses what the identity asks, rather than the way there being closed.
    """

    def __init__(self, endpoint: str, reason: str, *, denied: bool = False) -> None:
        super().__init__(f"no connection to {endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason
        self.denied = denied


class ConnectionLost(PubSubError, ConnectionError):
    """The connection went away before an answer came; whether the broker acted on it is not known."""


class QueueFull(PubSubError):
    """Too many messages wait for the connection or their acknowledgement; this one was not sent.

    Args:
        topic: the message's topic.
        size: how many there may be.
    """

    def __init__(self, topic: str, size: int) -> None:
        super().__init__(
            f"the message to {topic} is not sent: {size} messages wait or are unacknowledged, and queue_size allows no "
            "more"
        )
        self.topic = topic


class SubscribeRefused(PubSubError):
    """The broker refuses a topic filter.

    Args:
        topic_filter: the topic filter.
        reason: the broker's reason code and what it means.
    """

    def __init__(self, topic_filter: str, reason: str) -> None:
        super().__init__(f"the subscription to {topic_filter} is refused: {reason}")
        self.topic_filter = topic_filter
        self.reason = reason


class PublishRefused(PubSubError):
    """The broker refuses a message.

    Args:
        topic: the message's topic.
        reason: the broker's reason code and what it means.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"the message to {topic} is refused: {reason}")
        self.topic = topic
        self.reason = reason
