"""What AWS IoT takes from a client, and no more.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits)
"""

from __future__ import annotations

from pubsub_client.exceptions import ConfigurationError, PayloadError, TopicError

CLIENT_ID_BYTES = 128
TOPIC_BYTES = 256
TOPIC_SLASHES = 7
PAYLOAD_BYTES = 128 * 1024
SUBSCRIPTIONS = 50
"""Topic filters that one connection may be subscribed to."""
KEEP_ALIVE_SECONDS = (30, 1200)
"""Of less AWS IoT makes 30; of none, or of more, it makes 1200."""
# The limits leave out Basic Ingest's prefix, $aws/rules/<rule name>/.
_BASIC_INGEST = "$aws/rules/"


def check_client_id(client_id: str) -> None:
    """Check the length of a client id.

    Raises:
        ConfigurationError: it is too long or empty.
    """
    size = len(client_id.encode(errors="surrogatepass"))
    if not 0 < size <= CLIENT_ID_BYTES:
        raise ConfigurationError(f"the client id {client_id!r} has {size} bytes; AWS IoT takes 1 to {CLIENT_ID_BYTES}")


def check_topic(topic: str) -> None:
    """Check the length and depth of a well-formed topic or topic filter.

    Raises:
        TopicError: it is too long or too deep.
    """
    counted = topic.split("/", 3)[-1] if topic.startswith(_BASIC_INGEST) else topic
    if (size := len(counted.encode())) > TOPIC_BYTES:
        raise TopicError(f"{topic!r} has {size} bytes; AWS IoT takes {TOPIC_BYTES}")
    if (slashes := counted.count("/")) > TOPIC_SLASHES:
        raise TopicError(f"{topic!r} has {slashes} slashes; AWS IoT takes {TOPIC_SLASHES}")


def check_payload(payload: bytes) -> None:
    """Check the length of a payload.

    Raises:
        PayloadError: it is too long.
    """
    if len(payload) > PAYLOAD_BYTES:
        raise PayloadError("$", f"has {len(payload)} bytes; AWS IoT takes {PAYLOAD_BYTES}")


def check_subscriptions(number: int) -> None:
    """Check how many topic filters one connection is to be subscribed to.

    Raises:
        ConfigurationError: there are too many.
    """
    if number > SUBSCRIPTIONS:
        raise ConfigurationError(
            f"{number} topic filters are more than the {SUBSCRIPTIONS} that AWS IoT takes of one connection: use "
            "wildcards, or another connection"
        )


def check_keep_alive(seconds: int) -> None:
    """Check a keep alive.

    Raises:
        ConfigurationError: AWS IoT would make another figure of it.
    """
    shortest, longest = KEEP_ALIVE_SECONDS
    if not shortest <= seconds <= longest:
        raise ConfigurationError(f"a keep_alive of {seconds} s is not what AWS IoT takes: {shortest} to {longest}")
