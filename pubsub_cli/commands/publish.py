"""``pubsub publish``: publish a message, and wait for the broker's acknowledgement."""

from __future__ import annotations

import asyncio
import json as json_module
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from pubsub_cli import broker, options
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, OperationError, operation_error
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.signals import exit_if_interrupted, run_until_interrupted
from pubsub_client._messages import check_topic
from pubsub_client.exceptions import TopicError

_STDIN = "-"


def publish(
    context: typer.Context,
    target: options.StackOptions,
    broker_options: broker.BrokerOptions,
    topic: Annotated[
        list[str],
        typer.Option("--topic", metavar="TOPIC", help="Publish to this topic. Repeatable."),
    ],
    payload: Annotated[
        str | None,
        typer.Argument(metavar="PAYLOAD", help="The message as JSON; - reads it from stdin."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Publish this text, as a JSON string."),
    ] = None,
    bytes_from: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Publish the content of FILE; - is stdin."),
    ] = None,
    qos: Annotated[
        int,
        typer.Option(metavar="0|1", min=0, max=1, help="Wait for the broker's acknowledgement (1) or not (0)."),
    ] = 1,
    retain: Annotated[
        bool,
        typer.Option(
            "--retain", help="Retain the message for later subscribers. An empty message removes the retained one."
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Wait this long to connect, and then to publish.")
    ] = 30.0,
    json: options.Json = False,
) -> None:
    """Publish a message to AWS IoT, or to another broker.

    Examples:
      pubsub publish --topic orders/1 '{"state": "packed"}'
      pubsub publish --topic orders/1 --text packed --user ada --password-stdin
      pubsub publish --topic frames --bytes-from a.jpg --broker wss://b.example/mqtt
    """
    _check_topics(topic)
    _check_payload_options(payload, text, bytes_from, password_stdin=broker_options.password_stdin)
    selected = broker.choose_broker(context, target, broker_options)
    run = broker.start_run("publish", target, selected, json=json)
    message = _Message(topic, _read_payload(payload, text, bytes_from), qos, retain)
    failure: Finding | None = None
    try:
        with exit_if_interrupted(lambda: message.summary):
            run_until_interrupted(message.publish(selected, broker_options.client_id, timeout))
    except OperationError as error:
        failure = error.finding
    result = CommandResult([message.summary] if message.published else [], message.members, failure)
    emit(result, run)


@dataclass
class _Message:
    """The message, and the topics to which it was published."""

    topics: list[str]
    payload: object = field(repr=False)
    qos: int
    retain: bool
    published: list[str] = field(default_factory=list)

    async def publish(self, target: broker.Broker, client_id: str | None, seconds: float) -> None:
        """Publish the message to each topic.

        Raises:
            OperationError: the broker rejects the message, or there is no connection.
        """
        async with broker.connected(target, client_id, seconds) as pubsub:
            try:
                async with asyncio.timeout(seconds):
                    for topic in self.topics:
                        await pubsub.publish(topic, self.payload, qos=self.qos, retain=self.retain)
                        self.published.append(topic)
            except TimeoutError:
                raise operation_error(
                    f"The message to {self.left[0]} was not acknowledged within {seconds:g} s.",
                    resource=target.name,
                    fix=target.advice,
                ) from None

    @property
    def left(self) -> list[str]:
        """The topics to which it was not published."""
        return self.topics[len(self.published) :]

    @property
    def summary(self) -> str:
        """The result, in words."""
        if not self.published:
            return "nothing was published"
        done = "acknowledged" if self.qos else "sent; QoS 0 has no acknowledgement"
        return f"{', '.join(self.published)}: {done}"

    @property
    def members(self) -> dict[str, Any]:
        """The members of the JSON document."""
        return {"published": self.published, "not_published": self.left, "qos": self.qos, "retain": self.retain}


def _check_topics(topics: list[str]) -> None:
    for topic in topics:
        try:
            check_topic(topic)
        except TopicError as error:
            raise typer.BadParameter(f"--topic: {error}") from None


def _check_payload_options(payload: str | None, text: str | None, bytes_from: str | None, password_stdin: bool) -> None:
    """Check that there is one payload, and that standard input is read only once."""
    if sum(each is not None for each in (payload, text, bytes_from)) != 1:
        raise typer.BadParameter("give one of PAYLOAD, --text and --bytes-from")
    if password_stdin and _STDIN in (payload, bytes_from):
        name = "PAYLOAD" if payload == _STDIN else "--bytes-from"
        raise typer.BadParameter(f"--password-stdin and {name} {_STDIN} would both read standard input")


def _read_payload(payload: str | None, text: str | None, bytes_from: str | None) -> object:
    """Return the payload.

    Raises:
        PreconditionError: the file cannot be read.
        typer.BadParameter: the payload is not JSON.
    """
    if text is not None:
        return text
    if bytes_from is None:
        return _parse_json(sys.stdin.buffer.read() if payload == _STDIN else payload or "")
    try:
        return sys.stdin.buffer.read() if bytes_from == _STDIN else Path(bytes_from).read_bytes()
    except OSError as error:
        raise PreconditionError(f"--bytes-from: {bytes_from} cannot be read: {error.strerror}") from error


def _parse_json(text: str | bytes) -> object:
    try:
        return json_module.loads(text, parse_constant=_refuse_constant)
    except json_module.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError) as error:  # not UTF-8, a number that is too long, or too much nesting
        why = str(error)
    raise typer.BadParameter(
        f"PAYLOAD is not JSON: {why}. To publish text, give --text; for other data, give --bytes-from."
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
