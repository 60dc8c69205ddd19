"""Payloads: JSON unless they are bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from pubsub_client.exceptions import PayloadError

OCTETS = "application/octet-stream"
"""The MQTT 5 content type of a payload sent as bytes: bytes that happen to be JSON arrive as bytes."""


def encode(payload: object) -> bytes:
    """Return the bytes to send.

    Args:
        payload: ``bytes`` are sent as they are; any other value as JSON, in UTF-8.

    Raises:
        PayloadError: it is not JSON serialisable; the error names the place in it.
    """
    if isinstance(payload, bytes):
        return payload
    try:
        return _ENCODER.encode(payload).encode()
    except RecursionError:
        raise PayloadError("$", "has too many levels, or contains itself in a way that JSON does not show") from None
    except (TypeError, ValueError) as error:
        for path, problem in _problems(payload, "$", ()):
            raise PayloadError(path, problem) from None
        raise PayloadError("$", f"is not JSON serialisable: {error}") from error


def decode(payload: bytes, content_type: str | None) -> Any:
    """Return the JSON value; the bytes if they are no JSON, or were sent as bytes."""
    if content_type == OCTETS:
        return payload
    try:
        return _DECODER.decode(payload.decode())
    except (ValueError, RecursionError):
        return payload


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is more than a float takes")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Made once: json.dumps and json.loads would make them for each message.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _problems(value: object, path: str, ancestors: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Find what json.dumps refused; it does not say where."""
    if isinstance(value, str):
        if not _is_unicode(value):
            yield path, "is text with a lone surrogate, which is not valid Unicode"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, f"is {value}, which JSON does not have"
    elif id(value) in ancestors:
        yield path, "contains itself"
    elif isinstance(value, dict):
        for key, item in value.items():
            if not (key is None or isinstance(key, str | int | float)):
                yield path, f"has a key of type {type(key).__name__}; JSON takes text"
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
