"""Topics and topic filters by the MQTT 5 specification: which are well-formed, and which match.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901241 (section 4.7)
"""

from __future__ import annotations

from pubsub_client.exceptions import TopicError

_MAX_BYTES = 65535
_SHARED = "$share/"


def check_topic(topic: str) -> None:
    """Check a topic to publish to.

    Raises:
        TopicError: it is not well-formed, or has a wildcard.
    """
    check_text(topic, "topic")
    if "+" in topic or "#" in topic:
        raise TopicError(f"the topic {topic!r} has a wildcard: a message is published to one topic")


def check_topic_filter(topic_filter: str) -> None:
    """Check a topic filter to subscribe to.

    Raises:
        TopicError: it is not well-formed, or is a shared subscription.
    """
    check_text(topic_filter, "topic filter")
    if topic_filter.startswith(_SHARED):
        raise TopicError(f"the topic filter {topic_filter!r} asks for a shared subscription, which is not supported")
    levels = topic_filter.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and ("+" in level or "#" in level) for level in levels):
        raise TopicError(
            f"the topic filter {topic_filter!r} is not well-formed: '+' stands alone between slashes, '#' "
            "stands alone at the end"
        )


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a well-formed topic filter matches a topic."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True  # and so for "a/#" and the topic "a": '#' takes the parent level too
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def check_text(text: str, kind: str) -> None:
    """Check a text that MQTT carries; ``kind`` is what it is called in errors.

    Raises:
        TopicError: it is empty, no Unicode, too long, or has a null character.
    """
    if not text:
        raise TopicError(f"the {kind} is empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise TopicError(f"the {kind} {text!r} is not valid Unicode") from None
    if "\0" in text:
        raise TopicError(f"the {kind} {text!r} has a null character")
    if size > _MAX_BYTES:
        raise TopicError(f"the {kind} {text[:40]!r}... has {size} bytes; MQTT takes {_MAX_BYTES}")
