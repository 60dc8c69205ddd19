"""``pubsub subscribe``: show messages as they arrive."""

from __future__ import annotations

import asyncio
import base64
import json as json_module
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pubsub_cli import broker, options
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import OperationError
from pubsub_cli.output import CommandResult, TerminalConsole, emit
from pubsub_cli.signals import exit_if_interrupted, run_until_interrupted
from pubsub_client import Message, PubSub, Subscription
from pubsub_client._messages import check_topic_filter
from pubsub_client._printable import one_line, printable
from pubsub_client.exceptions import TopicError

_CONNECT_SECONDS = 30.0
# Larger bursts are dropped, smaller ones are shown late.
_BUFFER = 10_000


def subscribe(
    context: typer.Context,
    target: options.StackOptions,
    broker_options: broker.BrokerOptions,
    topic_filters: Annotated[
        list[str],
        typer.Argument(metavar="FILTER", help="Topics or topic filters. Quote filters with #."),
    ],
    qos: Annotated[int, typer.Option(metavar="0|1", min=0, max=1, help="Receive with this QoS at most.")] = 0,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="Exit after N messages.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Wait this long to connect (default: 30), and then for messages. Exit with 1 if none or fewer than "
            "--count arrive.",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Write one JSON object a line, and nothing else, to stdout.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
) -> None:
    """Show messages from AWS IoT, or from another broker, until Ctrl-C.

    Each message is one line: time, topic, payload. Control characters are escaped. For programs use --json, which keeps
    every byte. The connection's state is shown on stderr; it reconnects automatically.

    Examples:
      pubsub subscribe 'orders/#'
      pubsub subscribe orders/1 --count 1 --timeout 60 --json
      pubsub subscribe '#' --broker wss://broker.example/mqtt
    """
    _check_topic_filters(topic_filters)
    selected = broker.choose_broker(context, target, broker_options)
    run = broker.start_run("subscribe", target, selected, json=False)
    reading = Reading(topic_filters, qos, count, timeout, json)
    try:
        with exit_if_interrupted(lambda: reading.summary):
            run_until_interrupted(reading.run(selected, broker_options.client_id))
    except OperationError as error:
        emit(CommandResult((), {}, error.finding), run)
    if reading.reader_gone:
        return
    print(f"pubsub: {reading.summary}", file=sys.stderr)
    if reading.received < (count or 1):
        raise typer.Exit(ExitCode.CHECK_FAILED)


@dataclass
class Reading:
    """The subscription, and the messages received so far."""

    topic_filters: list[str]
    qos: int
    count: int | None
    seconds: float | None
    json: bool
    console: TerminalConsole = field(default_factory=TerminalConsole)
    received: int = 0
    dropped: int = 0
    reader_gone: bool = False
    """Whether the reader of standard output has closed the pipe."""

    async def run(self, source: broker.Broker, client_id: str | None) -> None:
        """Show messages until --count, the timeout, or the end of the pipe.

        Raises:
            PreconditionError: there is no such stack, or there are no credentials to read its outputs.
            OperationError: there is no connection, or the broker rejects a topic filter.
        """
        async with broker.connected(source, client_id, self.seconds or _CONNECT_SECONDS) as pubsub:
            states = asyncio.create_task(_show_states(pubsub))
            try:
                async with pubsub.subscribe(self.topic_filters, qos=self.qos, buffer=_BUFFER) as messages:
                    _show_status(f"subscribed to {', '.join(self.topic_filters)}")
                    await self.read(messages)
            finally:
                states.cancel()

    @property
    def summary(self) -> str:
        """The number of messages, in words."""
        wanted = f" of {self.count}" if self.count else ""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        return f"{self.received}{wanted} message{'' if self.received == 1 and not wanted else 's'} received{dropped}"

    async def read(self, messages: Subscription) -> None:
        """Show messages until --count, the timeout, or the end of the pipe."""
        try:
            async with asyncio.timeout(self.seconds) as timeout:
                with reader_watched(lambda: self._end(timeout)):
                    async for message in messages:
                        self._show(message)
                        self._count_dropped(messages)
                        self.received += 1
                        if self.received == self.count:
                            return
        except TimeoutError:
            return
        except BrokenPipeError:
            self.reader_gone = True

    def _end(self, timeout: asyncio.Timeout) -> None:
        """Stop waiting for messages, because the pipe was closed."""
        self.reader_gone = True
        if not timeout.expired():
            timeout.reschedule(asyncio.get_running_loop().time())

    def _show(self, message: Message) -> None:
        now = datetime.now(UTC)
        try:
            line = as_json(message, now) if self.json else self._in_colour(as_text(message, now))
        except RecursionError:  # Python can read more levels of JSON than it can write
            _show_status(f"a message to {message.topic!r} is nested too deeply to be shown", "yellow")
        else:
            write_line(line)

    def _in_colour(self, line: Text) -> str:
        """Return the line with colours; without colours the slow rendering is skipped."""
        if self.console.color_system is None:
            return line.plain
        with self.console.capture() as captured:
            self.console.print(line, soft_wrap=True, end="")
        return captured.get()

    def _count_dropped(self, messages: Subscription) -> None:
        if messages.dropped > self.dropped:
            _show_status(
                f"{messages.dropped - self.dropped} messages dropped, because they arrive faster than they are read",
                "yellow",
            )
            self.dropped = messages.dropped


async def _show_states(pubsub: PubSub) -> None:
    async with aclosing(pubsub.states()) as changes:
        async for state, reason in changes:
            _show_status(f"{state}{f': {reason}' if reason else ''}")


def _show_status(line: str, style: str = "dim") -> None:
    TerminalConsole(stderr=True).print(Text(one_line(line), style=style), soft_wrap=True)


def _check_topic_filters(topic_filters: list[str]) -> None:
    for each in topic_filters:
        try:
            check_topic_filter(each)
        except TopicError as error:
            raise typer.BadParameter(f"FILTER: {error}") from None


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
    text = json_module.dumps(
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
        return json_module.dumps(message.payload, ensure_ascii=False)
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
