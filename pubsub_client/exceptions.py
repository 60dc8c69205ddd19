"""The errors of this library, in one tree.

PubSubError
 ├─ ConfigurationError (ValueError)     an invalid value was passed to this library
 │   ├─ TopicError                      a topic or topic filter that the broker would refuse
 │   └─ PayloadError                    a payload that cannot be sent
 ├─ SignInError                         Cognito does not sign the user in
 ├─ SessionError                        a session fails to return its identity id or credentials, to attach or sign out
 ├─ ConnectionRefused (ConnectionError) the connection cannot be made
 ├─ ConnectionLost (ConnectionError)    the connection was lost before an answer
 ├─ QueueFull                           too many messages wait or are unacknowledged
 ├─ SubscribeRefused                    the broker refuses a topic filter
 └─ PublishRefused                      the broker refuses a message
"""

# "Refused" and "lost" are common terms, as in Python's own ConnectionRefusedError.
# ruff: noqa: N818

from __future__ import annotations

from pubsub_client._printable import one_line


class PubSubError(Exception):
    """The root of this library's errors.

    The text is one line and safe to show on a terminal: control characters from a broker, a topic or AWS are escaped.
    The attributes of the errors below are not escaped.
    """

    def __str__(self) -> str:
        """Return the text, escaped."""
        return one_line(super().__str__())


class ConfigurationError(PubSubError, ValueError):
    """An invalid value was passed to this library; nothing was sent."""


class TopicError(ConfigurationError):
    """A topic or topic filter that the broker would refuse; nothing was sent."""


class PayloadError(ConfigurationError):
    """A payload that cannot be sent; nothing was sent.

    Args:
        path: the path to the value in the payload, such as ``$.orders[2].when``.
        problem: what is wrong with it.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"the payload cannot be sent: {path} {problem}")
        self.path = path


class SignInError(PubSubError):
    """Cognito does not sign the user in.

    Args:
        code: Cognito's error code, or the name of its challenge.
        message: what happened and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SessionError(PubSubError):
    """A session fails to return its identity id or credentials, to have the policy attached, or to sign out."""


class ConnectionRefused(PubSubError, ConnectionError):
    """The connection cannot be made.

    Args:
        endpoint: the host.
        reason: who refuses and why, as far as known, and what to do.
        denied: whether the broker denies the client, rather than being unreachable.
    """

    def __init__(self, endpoint: str, reason: str, *, denied: bool = False) -> None:
        super().__init__(f"no connection to {endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason
        self.denied = denied


class ConnectionLost(PubSubError, ConnectionError):
    """The connection was lost before an answer; whether the broker has processed the request is not known."""


class QueueFull(PubSubError):
    """Too many messages wait for the connection or their acknowledgement; this one was not sent.

    Args:
        topic: the message's topic.
        size: the maximum number.
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
        reason: the broker's reason code and its meaning.
    """

    def __init__(self, topic_filter: str, reason: str) -> None:
        super().__init__(f"the subscription to {topic_filter} is refused: {reason}")
        self.topic_filter = topic_filter
        self.reason = reason


class PublishRefused(PubSubError):
    """The broker refuses a message.

    Args:
        topic: the message's topic.
        reason: the broker's reason code and its meaning.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"the message to {topic} is refused: {reason}")
        self.topic = topic
        self.reason = reason
