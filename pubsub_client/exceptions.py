"""The errors of this library, in one tree.

PubSubError
 ├─ ConfigurationError (ValueError)     a setting or an argument is invalid
 │   ├─ TopicError                      the broker would reject the topic or topic filter
 │   ├─ PayloadError                    the payload cannot be sent
 │   ├─ WrongEventLoop                  the call came from another event loop
 │   ├─ ProcessForked                   the call came from a child process after a fork
 │   ├─ ClientClosed (ConnectionLost)   the client is not connected, or is closed
 │   └─ UserChanged                     another user signed in, or the user signed out, during the connection
 ├─ SignInError                         the user could not be signed in
 ├─ SessionError                        a session failed: identity id, credentials, self-attach or sign-out
 ├─ ConnectionRefused (ConnectionError) the client could not connect
 ├─ ConnectionLost (ConnectionError)    the connection was lost before an acknowledgement
 ├─ QueueFull                           too many messages are waiting or unacknowledged
 ├─ SubscribeRefused                    the broker rejected the topic filter
 └─ PublishRefused                      the broker rejected the message
"""

# The names follow Python's ConnectionRefusedError, but without "Error".
# ruff: noqa: N818

from __future__ import annotations

from pubsub_client._printable import one_line


class PubSubError(Exception):
    """The base class of this library's errors.

    Its text is one line and safe to print on a terminal, because control characters from brokers, topics and AWS are
    escaped. Attributes are not escaped.
    """

    def __str__(self) -> str:
        """Return the text, escaped."""
        return one_line(super().__str__())


class ConfigurationError(PubSubError, ValueError):
    """A setting or an argument is invalid; nothing was sent."""


class TopicError(ConfigurationError):
    """The broker would reject the topic or topic filter; nothing was sent."""


class PayloadError(ConfigurationError):
    """The payload cannot be sent.

    Args:
        path: the path to the invalid value in the payload, such as ``$.orders[2].when``.
        problem: what is wrong with the value.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"the payload cannot be sent: {path} {problem}")
        self.path = path


class WrongEventLoop(ConfigurationError):
    """The call came from another event loop than the one that connected the client, or that uses the session."""


class ProcessForked(ConfigurationError):
    """The call came from a child process; a connection or session belongs to the process that used it."""


class SignInError(PubSubError):
    """The user could not be signed in.

    Args:
        code: Cognito's error code, or the name of its challenge.
        message: the problem and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SessionError(PubSubError):
    """A session could not return its identity id or credentials, self-attach, or sign out."""


class ConnectionRefused(PubSubError, ConnectionError):
    """The client could not connect.

    Args:
        endpoint: the host.
        reason: the reason as far as known, and what to do.
        denied: whether the broker denied the client; False if it was unreachable or busy.
    """

    def __init__(self, endpoint: str, reason: str, *, denied: bool = False) -> None:
        super().__init__(f"could not connect to {endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason
        self.denied = denied


class ConnectionLost(PubSubError, ConnectionError):
    """The connection was lost before an acknowledgement; the broker may have processed the request."""


class ClientClosed(ConnectionLost, ConfigurationError):
    """The client is not connected, or is closed; nothing was sent."""

    def __init__(self) -> None:
        super().__init__(
            "there is no connection; use the client inside `async with PubSub(provider) as pubsub`, or call connect()"
        )


class UserChanged(ConfigurationError):
    """The session's user signed out or was replaced, which ended the connection; nothing was sent.

    Args:
        reason: what happened to the user.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the connection ended because {reason}; call close(), then connect() as the current user")
        self.reason = reason


class QueueFull(PubSubError):
    """Too many messages are waiting or unacknowledged; this message was not sent.

    Args:
        topic: the topic of the message.
        size: the maximum number of messages.
    """

    def __init__(self, topic: str, size: int) -> None:
        super().__init__(
            f"the message to {topic} was not sent: {size} messages are waiting or unacknowledged (queue_size); publish "
            "it later"
        )
        self.topic = topic


class SubscribeRefused(PubSubError):
    """The broker rejected a topic filter.

    Args:
        topic_filter: the topic filter.
        reason: the broker's reason code and its meaning.
    """

    def __init__(self, topic_filter: str, reason: str) -> None:
        super().__init__(f"the broker rejected the subscription to {topic_filter}: {reason}")
        self.topic_filter = topic_filter
        self.reason = reason


class PublishRefused(PubSubError):
    """The broker rejected a message.

    Args:
        topic: the topic of the message.
        reason: the broker's reason code and its meaning.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"the broker rejected the message to {topic}: {reason}")
        self.topic = topic
        self.reason = reason
