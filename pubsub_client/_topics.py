"""Topics and topic filters: AWS IoT's limits, and which filter takes which topic.

Limits: https://docs.aws.amazon.com/general/latest/gr/iot-core.html (AWS IoT Core message broker and protocol limits)
Matching: https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901241
"""

from __future__ import annotations

from pubsub_client.exceptions import TopicError

_MAX_BYTES = 256
_MAX_SLASHES = 7


def check_topic(topic: str) -> None:
    """Check a topic to publish to.

    Raises:
        TopicError: AWS IoT would refuse it.
    """
    _check_limits(topic, "topic")
    if "#" in topic or "+" in topic:
        raise TopicError(f"topic {topic!r} has a wildcard: messages are published to one topic")


def check_topic_filter(topic_filter: str) -> None:
    """Check a topic filter to subscribe to.

    Raises:
        TopicError: AWS IoT would refuse it.
    """
    _check_limits(topic_filter, "topic filter")
    levels = topic_filter.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and ("#" in level or "+" in level) for level in levels):
        raise TopicError(
            f"topic filter {topic_filter!r} is malformed: '+' stands alone for one level, '#' alone for the last ones"
        )


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a filter takes a topic; a leading wildcard does not take topics that begin with ``$``."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("#", "+"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":  # also the parent level: "a/#" takes "a"
            return True
        if index == len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def _check_limits(text: str, kind: str) -> None:
    if not text:
        raise TopicError(f"the {kind} is empty")
    if "\x00" in text:
        raise TopicError(f"{kind} {text!r} holds a null character")
    if (size := len(text.encode())) > _MAX_BYTES:
        raise TopicError(f"{kind} {text!r} has {size} bytes; AWS IoT takes {_MAX_BYTES}")
    # Basic ingest's prefix $aws/rules/<rule name>/ does not count.
    counted = text.split("/", 3)[-1] if text.startswith("$aws/rules/") else text
    if (slashes := counted.count("/")) > _MAX_SLASHES:
        raise TopicError(f"{kind} {text!r} has {slashes} slashes; AWS IoT takes {_MAX_SLASHES}")
