from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pubsub_cli.message_output import as_json, as_text
from pubsub_client import Message

_NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def _text(payload: Any, topic: str = "orders/1", *, retain: bool = False) -> str:
    return as_text(Message(topic, payload, retain=retain), _NOW).plain


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ({"state": "päckchen"}, '{"state": "päckchen"}'),
        ("packed", '"packed"'),
        (b"packed", "packed"),
        ("two\nlines", r'"two\nlines"'),
        (b"two\nlines", r"two\nlines"),
        (b"\xff\x00", "0xff00"),
        (b"", ""),
        (None, "null"),
    ],
)
def test_text_line_has_local_time_topic_and_payload(payload: Any, shown: str) -> None:
    assert _text(payload) == f"{_NOW.astimezone():%H:%M:%S}  orders/1  {shown}"


def test_text_line_marks_a_retained_message() -> None:
    assert _text(1, retain=True).endswith("  orders/1  1  retained")


def test_json_line_has_every_property() -> None:
    assert json.loads(as_json(Message("orders/1", {"state": "packed"}, qos=1, retain=True), _NOW)) == {
        "topic": "orders/1",
        "payload": {"state": "packed"},
        "is_json": True,
        "qos": 1,
        "retain": True,
        "received_at": "2026-03-01T12:30:15.250+00:00",
    }


def test_json_line_has_binary_payload_as_base64() -> None:
    document = json.loads(as_json(Message("orders/1", b"\xff\x00", qos=0), _NOW))
    assert (document["payload_base64"], document["is_json"]) == ("/wA=", False)
    assert "payload" not in document


def test_json_line_is_ascii_and_one_line() -> None:
    line = as_json(Message("ä\u2028", {"ä": "\u2028\n"}), _NOW)
    assert line.isascii()
    assert len(line.splitlines()) == 1
