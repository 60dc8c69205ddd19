"""Messages, and the checks of topics and payloads.

Topics follow section 4.7 of the specification:
https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901241
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pubsub_client.exceptions import PayloadError, TopicError

OCTETS = "application/octet-stream"
"""The MQTT 5 content type of a payload published as bytes; without it, bytes that are valid JSON would be decoded."""

_MAX_TEXT_BYTES = 65535
_SHARED = "$share/"


@dataclass(frozen=True)
class Message:
    """A received message, or a last will.

        >>> will = Message("presence/ada", {"online": False}, retain=True)
        >>> will.is_json
        True

    Args:
        topic: the topic.
        payload: the JSON value, or bytes. A received payload is bytes if it is not JSON, or if this library published
            it as bytes over MQTT 5.
        qos: 0 or 1. For a received message this is the QoS of its delivery.
        retain: for a received message, whether it was retained before the subscription; for a will, whether the broker
            retains it.
    """

    topic: str
    payload: Any
    qos: int = field(default=1, kw_only=True)
    retain: bool = field(default=False, kw_only=True)

    @property
    def is_json(self) -> bool:
        """Whether the payload is a JSON value, not bytes."""
        return not isinstance(self.payload, bytes)


class Packet(NamedTuple):
    """An encoded message, in either direction.

    Args:
        topic: the topic.
        payload: the bytes.
        qos: 0 or 1.
        retain: as in :class:`Message`.
        content_type: MQTT 5's content type; None over MQTT 3.1.1.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str | None = None


def encode(payload: object) -> bytes:
    """Return ``bytes`` unchanged, and any other value as JSON in UTF-8.

    Raises:
        PayloadError: the payload is not JSON serialisable; the error contains the path to the value.
    """
    if isinstance(payload, bytes):
        return payload
    try:
        return _ENCODER.encode(payload).encode()
    except RecursionError:
        raise PayloadError("$", "has too many levels") from None
    except (TypeError, ValueError) as error:
        for path, problem in _problems(payload, "$", ()):
            raise PayloadError(path, problem) from None
        raise PayloadError("$", f"is not JSON serialisable: {error}") from error


def decode(packet: Packet) -> Message:
    """Return the received message; its payload is bytes if it is not JSON or was published as bytes."""
    return Message(packet.topic, _payload_of(packet), qos=packet.qos, retain=packet.retain)


def _payload_of(packet: Packet) -> Any:
    if packet.content_type == OCTETS:
        return packet.payload
    try:
        return _DECODER.decode(packet.payload.decode())
    except (ValueError, RecursionError):
        return packet.payload


def check_topic(topic: str) -> None:
    """Check a topic for publishing.

    Raises:
        TopicError: the topic is not well-formed, or has a wildcard.
    """
    check_text(topic, "topic")
    if "+" in topic or "#" in topic:
        raise TopicError(f"the topic {topic!r} has a wildcard; only topic filters may have wildcards")


def check_topic_filter(topic_filter: str) -> None:
    """Check a topic filter.

    Raises:
        TopicError: the topic filter is not well-formed, or is a shared subscription.
    """
    check_text(topic_filter, "topic filter")
    if topic_filter.startswith(_SHARED):
        raise TopicError(f"the topic filter {topic_filter!r} is a shared subscription, which is not supported")
    levels = topic_filter.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and ("+" in level or "#" in level) for level in levels):
        raise TopicError(
            f"the topic filter {topic_filter!r} is not well-formed; '+' must be a whole level, and '#' the whole last "
            "level"
        )


def check_text(text: str, kind: str) -> None:
    """Check a text of an MQTT packet.

    Args:
        text: the text.
        kind: what the text is, for the error.

    Raises:
        TopicError: the text is empty, not valid Unicode, too long, or has a null character.
    """
    if not text:
        raise TopicError(f"the {kind} is empty")
    if not _is_unicode(text):
        raise TopicError(f"the {kind} {text!r} is not valid Unicode")
    if "\0" in text:
        raise TopicError(f"the {kind} {text!r} has a null character")
    if (size := len(text.encode())) > _MAX_TEXT_BYTES:
        raise TopicError(f"the {kind} {text[:40]!r}... has {size} bytes; MQTT allows {_MAX_TEXT_BYTES}")


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a well-formed topic filter matches a topic."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True  # "a/#" also matches the topic "a": '#' includes the parent level
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} exceeds the range of a float")
    return number


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Created once, because json.dumps and json.loads would create them for each message.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite)


def _problems(value: object, path: str, ancestors: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield the paths and problems of values that JSON does not support; the encoder's error has no path."""
    if isinstance(value, str):
        if not _is_unicode(value):
            yield path, "has a lone surrogate, which is not valid Unicode"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, f"is {value}, which is not a JSON number"
    elif id(value) in ancestors:
        yield path, "contains itself"
    elif isinstance(value, dict):
        for key, item in value.items():
            if not (key is None or isinstance(key, str | int | float)):
                yield path, f"has a key of type {type(key).__name__}; use text"
            elif isinstance(key, str) and not _is_unicode(key):
                yield path, "has a key with a lone surrogate, which is not valid Unicode"
            else:
                yield from _problems(item, f"{path}.{key}", (*ancestors, id(value)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]", (*ancestors, id(value)))
    elif not (value is None or isinstance(value, int)):
        yield path, f"is of type {type(value).__name__}, which is not JSON serialisable"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
