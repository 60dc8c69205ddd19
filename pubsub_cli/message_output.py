"""Writes received messages to standard output at once, one line of text or JSON each."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.text import Text

from pubsub_client import Message
from pubsub_client._printable import one_line, printable


def as_text(message: Message, received_at: datetime) -> Text:
    """Return local time, topic and payload on one line, escaped."""
    line = Text(f"{received_at.astimezone():%H:%M:%S}  ", style="dim")
    line.append(one_line(message.topic), style="not dim bold")
    line.append(f"  {one_line(_payload(message))}", style="not dim")
    if message.retain:
        line.append("  retained")
    return line


def as_json(message: Message, received_at: datetime) -> str:
    """Return the message as a JSON object on one line, in ASCII; a payload that is not JSON is Base64."""
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
    return printable(text)  # JSON does not escape ASCII's DEL


def _payload(message: Message) -> str:
    """Return the payload as text; binary payloads in hexadecimal."""
    if message.is_json:
        return json.dumps(message.payload, ensure_ascii=False)
    payload: bytes = message.payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return f"0x{payload.hex()}"


def _base64(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def write_line(line: str) -> None:
    """Write a line; escape characters that the encoding does not have.

    Raises:
        BrokenPipeError: the reader has closed the pipe. Buffered output is discarded without another error.
    """
    try:
        sys.stdout.buffer.write(f"{line}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


@contextmanager
def reader_watched(gone: Callable[[], None]) -> Iterator[None]:
    """Call ``gone`` once when the reader closes the pipe, without waiting for the next line to fail."""
    loop, number = asyncio.get_running_loop(), sys.stdout.fileno()
    if not _is_pipe(number):
        yield
        return

    def on_readable() -> None:
        loop.remove_reader(number)
        gone()

    # The writing end of a pipe becomes readable only when its reader closes it.
    loop.add_reader(number, on_readable)
    try:
        yield
    finally:
        loop.remove_reader(number)


def _is_pipe(number: int) -> bool:
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(number).st_mode):
        return False
    import fcntl  # not available on Windows

    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
