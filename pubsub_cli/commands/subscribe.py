"""``pubsub subscribe``: show messages as they come."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from pubsub_cli.commands import broker_options, options
from pubsub_cli.commands.broker import Broker, connected
from pubsub_cli.commands.console import TerminalConsole
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.interrupting import run_until_interrupted
from pubsub_cli.commands.message_line import as_json, as_text
from pubsub_cli.commands.standard_output import reader_watched, write_line
from pubsub_cli.commands.told import Told, tell
from pubsub_cli.operations.failure import OperationError
from pubsub_client import Message, PubSub, Subscription
from pubsub_client._messages import check_topic_filter
from pubsub_client._printable import one_line
from pubsub_client.exceptions import TopicError

_CONNECT_SECONDS = 30.0
# So many messages at once are shown late rather than dropped.
_BUFFER = 10_000


def subscribe(
    context: typer.Context,
    topic_filters: Annotated[
        list[str],
        typer.Argument(metavar="FILTER", help="Topics, or filters with + and #: quote them, # begins a comment."),
    ],
    qos: Annotated[int, typer.Option(min=0, max=1, help="The highest QoS to deliver with.")] = 0,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after so many messages.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Wait no longer than this for the connection (30 unless given), and then for messages: end with exit "
            "code 1 if none came, or fewer than --count.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write a JSON object a line to standard output and nothing else there.")
    ] = False,
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    user: broker_options.User = None,
    password_stdin: broker_options.PasswordStdin = False,
    client_id: broker_options.ClientId = None,
    url: broker_options.Url = None,
    header: broker_options.Header = None,
    ca_file: broker_options.CaFile = None,
    proxy: broker_options.Proxy = None,
    verbose: options.Verbose = False,
) -> None:
    """Show messages of a stack's AWS IoT, or of any broker over WebSocket, as they come, until Ctrl-C.

    A line a message: time, topic, payload. Control characters are escaped, in a pipe too; a program takes --json, which
    keeps every byte. Whether the connection is up, which is made again by itself, is told on
    standard error.

    pubsub subscribe 'orders/#'

    pubsub subscribe orders/1 --count 1 --timeout 60 --json --user ada --password-stdin

    pubsub subscribe '#' --broker wss://broker.example/mqtt
    """
    _check_topic_filters(topic_filters)
    of = broker_options.choose_broker(
        context,
        stack=stack,
        environment=environment,
        profile=profile,
        region=region,
        endpoint_url=endpoint_url,
        user=user,
        password_stdin=password_stdin,
        url=url,
        header=header,
        ca_file=ca_file,
        proxy=proxy,
    )
    options.log_if(verbose)
    reading = Reading(topic_filters, qos, count, timeout, json)
    try:
        run_until_interrupted(reading.run(of, client_id))
    except OperationError as error:
        tell(Told((), {}, error.finding), "subscribe", of.aws, of.stack, json=False)
    except KeyboardInterrupt:
        print(f"pubsub: interrupted; {reading.told}", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if reading.reader_gone:
        return
    print(f"pubsub: {reading.told}", file=sys.stderr)
    if reading.received < (count or 1):
        raise typer.Exit(ExitCode.CHECK_FAILED)


@dataclass
class Reading:
    """What is asked for, and what has come."""

    topic_filters: list[str]
    qos: int
    count: int | None
    seconds: float | None
    json: bool
    console: TerminalConsole = field(default_factory=TerminalConsole)
    received: int = 0
    dropped: int = 0
    reader_gone: bool = False
    """Whoever read standard output does so no more."""

    async def run(self, of: Broker, client_id: str | None) -> None:
        """Show messages until there are enough, the time is up, or nobody reads them.

        Raises:
            PreconditionError: there is no such stack, or there are no credentials to read it with.
            OperationError: there is no connection, or the broker refuses a topic filter.
        """
        async with connected(of, client_id, self.seconds or _CONNECT_SECONDS) as pubsub:
            states = asyncio.create_task(_tell_states(pubsub))
            try:
                async with pubsub.subscribe(self.topic_filters, qos=self.qos, buffer=_BUFFER) as messages:
                    _tell(f"subscribed to {', '.join(self.topic_filters)}")
                    await self.read(messages)
            finally:
                states.cancel()

    @property
    def told(self) -> str:
        """What has come, in words."""
        wanted = f" of {self.count}" if self.count else ""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        return f"{self.received}{wanted} message{'' if self.received == 1 and not wanted else 's'} received{dropped}"

    async def read(self, messages: Subscription) -> None:
        """Show messages until there are enough, the time is up, or nobody reads them."""
        try:
            async with asyncio.timeout(self.seconds) as patience:
                with reader_watched(lambda: self._end(patience)):
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

    def _end(self, patience: asyncio.Timeout) -> None:
        """Stop waiting for messages: nobody reads them."""
        self.reader_gone = True
        if not patience.expired():
            patience.reschedule(asyncio.get_running_loop().time())

    def _show(self, message: Message) -> None:
        now = datetime.now(UTC)
        try:
            line = as_json(message, now) if self.json else self._in_colour(as_text(message, now))
        except RecursionError:  # Python reads JSON of a few levels more than it writes
            _tell(f"a message to {message.topic!r} has too many levels to be shown", "yellow")
        else:
            write_line(line)

    def _in_colour(self, line: Text) -> str:
        """Return the line as the terminal takes it; without colours it need not be rendered, which takes its time."""
        if self.console.color_system is None:
            return line.plain
        with self.console.capture() as captured:
            self.console.print(line, soft_wrap=True, end="")
        return captured.get()

    def _count_dropped(self, messages: Subscription) -> None:
        if messages.dropped > self.dropped:
            _tell(f"{messages.dropped - self.dropped} messages dropped: they come faster than they are read", "yellow")
            self.dropped = messages.dropped


async def _tell_states(pubsub: PubSub) -> None:
    async with aclosing(pubsub.states()) as changes:
        async for state, reason in changes:
            _tell(f"{state}{f': {reason}' if reason else ''}")


def _tell(line: str, style: str = "dim") -> None:
    TerminalConsole(stderr=True).print(Text(one_line(line), style=style), soft_wrap=True)


def _check_topic_filters(topic_filters: list[str]) -> None:
    for each in topic_filters:
        try:
            check_topic_filter(each)
        except TopicError as error:
            raise typer.BadParameter(f"FILTER: {error}") from None
