"""The lines of `pubsub subscribe`, and its pipe."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import Any

import pytest

from pubsub_cli.commands.subscribe import Reading, as_json, as_text, reader_watched, write_line
from pubsub_client import Message, Subscription
from pubsub_client._guards import Owner
from pubsub_client._messages import Packet

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


async def test_dropped_messages_are_reported_at_once_and_at_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    messages = Subscription(("t",), 2, Owner())
    for number in range(5):
        messages.put(Packet("t", str(number).encode(), 0, retain=False))
    messages.end()
    reading = Reading(["t"], qos=0, count=None, seconds=None, json=True)
    await reading.read(messages)
    assert capfd.readouterr().err.startswith("3 messages dropped")
    assert reading.summary == "2 messages received, 3 dropped"


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.usefixtures("capfd")
async def test_deeply_nested_message_does_not_end_subscribe(json: bool) -> None:
    messages = Subscription(("t",), 1000, Owner())
    # Near the recursion limit, less the frames of this test and of the JSON module.
    left = sys.getrecursionlimit() - len(inspect.stack(0))
    depths = range(left - 40, left + 10)
    for depth in depths:
        messages.put(Packet("t", b"[" * depth + b"]" * depth, 0, retain=False))
    messages.end()
    reading = Reading(["t"], qos=0, count=None, seconds=None, json=json)
    await reading.read(messages)
    assert reading.received == len(depths)


@contextmanager
def _into_a_pipe() -> Iterator[int]:
    """Redirect standard output into a pipe, and yield its reading end."""
    reading_end, writing_end = os.pipe()
    with io.TextIOWrapper(os.fdopen(writing_end, "wb"), encoding="ascii") as output, redirect_stdout(output):
        yield reading_end


async def test_broken_pipe_is_noticed_before_the_next_line() -> None:
    gone = asyncio.Event()
    with _into_a_pipe() as reading_end, reader_watched(gone.set):
        write_line("one")
        assert os.read(reading_end, 100) == b"one\n"
        os.close(reading_end)
        async with asyncio.timeout(30):
            await gone.wait()


def test_write_line_to_a_broken_pipe_fails_once() -> None:
    with _into_a_pipe() as reading_end:
        os.close(reading_end)
        with pytest.raises(BrokenPipeError):
            write_line("one")
        write_line("discarded")


def test_write_line_escapes_what_the_encoding_lacks() -> None:
    with _into_a_pipe() as reading_end:
        write_line("ä")
        assert os.read(reading_end, 100) == b"\\xe4\n"
        os.close(reading_end)
