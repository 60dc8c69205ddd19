"""Payloads: JSON by default, bytes as they are."""

from __future__ import annotations

import json
import math
from typing import Any

from pubsub_client.exceptions import PayloadError

# https://docs.aws.amazon.com/general/latest/gr/iot-core.html: a publish request's payload
_MAX_BYTES = 128 * 1024


def encode(payload: object) -> bytes:
    """Return the bytes to send.

    Args:
        payload: ``bytes`` are sent as they are; any other value as JSON.

    Raises:
        PayloadError: a part of it is not JSON serialisable (the message names the path to it), or it is too long.
    """
    if isinstance(payload, bytes | bytearray | memoryview):
        data = bytes(payload)
    else:
        _check(payload, "$", ())
        data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(data) > _MAX_BYTES:
        raise PayloadError(f"the payload has {len(data)} bytes; AWS IoT takes {_MAX_BYTES}")
    return data


def decode(data: bytes) -> tuple[Any, bool]:
    """Return the value and True if the bytes are JSON, else the bytes themselves and False."""
    try:
        return json.loads(data), True
    except ValueError:
        return data, False


def _check(value: object, path: str, parents: tuple[int, ...]) -> None:
    if id(value) in parents:
        raise PayloadError(f"payload at {path} contains itself")
    if value is None or isinstance(value, bool | int | str):
        if isinstance(value, str):
            _check_text(value, path)
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PayloadError(f"payload at {path} is {value}, which JSON cannot express")
        return
    parents = (*parents, id(value))
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", parents)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise PayloadError(f"payload at {path} has the key {key!r}; JSON takes text keys only")
            _check_text(key, path)
            _check(item, f"{path}.{key}", parents)
        return
    raise PayloadError(f"payload at {path} is a {type(value).__name__}, which is not JSON serialisable")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PayloadError(f"payload at {path} holds a lone surrogate, which is no valid text") from None
