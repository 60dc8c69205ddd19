"""How a received message is shown: a line of text for people, a line of JSON for programs."""

from __future__ import annotations

import base64
import json
from datetime import datetime

from rich.text import Text

from pubsub_client import Message
from pubsub_client._printable import one_line, printable


def as_text(message: Message, received_at: datetime) -> Text:
    """Return local time, topic and payload on one line; what would steer a terminal is escaped."""
    line = Text(f"{received_at.astimezone():%H:%M:%S}  ", style="dim")
    line.append(one_line(message.topic), style="not dim bold")
    line.append(f"  {one_line(_payload(message))}", style="not dim")
    if message.retain:
        line.append("  retained")
    return line


def as_json(message: Message, received_at: datetime) -> str:
    """Return the message as a JSON object on one line, in ASCII; a payload that is no JSON in Base64."""
    payload = {"payload": message.payload} if message.is_json else {"payload_base64": _base64(message.payload)}
    text = json.dumps(
        {
            "topic": message.topic,
            **payload,
            "is_json": message.is_json,
            "qos": message.qos,
            "retain": message.retain,
            "received_at": received_at.isoformat(timespec="milliseconds"),
        }
    )
    return printable(text)  # ASCII's delete is no control to JSON


def _payload(message: Message) -> str:
    """Return JSON as it is written, other text as it is, and all else in hexadecimal digits."""
    if message.is_json:
        return json.dumps(message.payload, ensure_ascii=False)
    payload: bytes = message.payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return f"0x{payload.hex()}"


def _base64(payload: bytes) -> str:
    return base64.b64encode(payload).decode()
