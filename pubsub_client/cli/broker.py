"""The broker that ``pubsub publish`` and ``pubsub subscribe`` reach, and as whom: what their options say of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.command import PubSubCommand
from pubsub_client.checks.stack import read_complete_outputs
from pubsub_client.cli import options
from pubsub_client.exceptions import ConfigurationError, PubSubError, SessionError
from pubsub_client.operations.failure import aws_errors_explained, not_done

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from pubsub_client import PubSub
    from pubsub_client._provider import Provider
    from pubsub_client.checks.check import Fix

_AS_WHOM = "As whom"
_OTHER = "Another broker than the stack's AWS IoT"

User = Annotated[
    str | None,
    typer.Option(
        "--user",
        metavar="NAME",
        help="Sign in as this user of the user pool; without it your own AWS credentials are taken, which read the "
        "stack's outputs in any case. With --broker the MQTT user name.",
        rich_help_panel=_AS_WHOM,
    ),
]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read that user's password from standard input.", rich_help_panel=_AS_WHOM),
]
ClientId = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The MQTT client id, random unless given; whoever else uses it is disconnected.",
        rich_help_panel=_AS_WHOM,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="URL",
        help="A broker by the address of its WebSocket: ws://... or wss://...",
        rich_help_panel=_OTHER,
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="'NAME: VALUE'",
        help="An HTTP header of the WebSocket's request; may be repeated.",
        rich_help_panel=_OTHER,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The authorities to trust, as PEM; those of AWS_CA_BUNDLE or the system unless given.",
        rich_help_panel=_OTHER,
    ),
]
Proxy = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The HTTP proxy to go through; that of HTTPS_PROXY and NO_PROXY unless given.",
        rich_help_panel=_OTHER,
    ),
]

_OF_THE_STACK = ("stack", "environment", "profile", "region", "endpoint_url")
_OF_ANOTHER = ("header", "ca_file", "proxy")


class Broker(Protocol):
    """A broker, and how to get in there."""

    @property
    def aws(self) -> Aws | None:
        """The operator's way to AWS; None for a broker by its URL."""
        ...

    @property
    def stack(self) -> str | None:
        """The stack whose AWS IoT it is; None for a broker by its URL."""
        ...

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def advice(self) -> Fix:
        """What to do when it refuses."""
        ...

    def provider(self) -> AbstractAsyncContextManager[Provider]:
        """Get ready to connect.

        Raises:
            CouldNotRunError: there is no such stack, or there are no credentials to read it with.
            NotDoneError: AWS refuses to tell of it.
            PubSubError: the user cannot sign in, or a value cannot be right.
        """
        ...


@dataclass(frozen=True)
class AwsIotOfStack:
    """The AWS IoT of a deployed stack, as a user of its user pool or as the operator.

    Args:
        aws: the operator's way to AWS, which reads the stack's outputs.
        profile: the operator's profile.
        stack: the stack's name.
        user: the user to sign in; None is the operator.
        password: that user's password.
    """

    aws: Aws
    profile: str | None
    stack: str
    user: str | None
    password: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """The stack's."""
        return self.stack

    @property
    def advice(self) -> Fix:
        """The doctor for a user; what an operator may do is documented."""
        if self.user is None:
            return "See docs/operator-permissions.md for what your AWS credentials must allow."
        return PubSubCommand(("doctor", "--stack", self.stack, "--user", self.user, "--password-stdin"))

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Read the outputs and sign in; the user is signed out when the context is left."""
        # The MQTT client takes its time to import, and no other command needs it.
        from pubsub_client import AwsIot, CognitoSession, SdkCredentials

        with aws_errors_explained(self.aws, self.stack):
            outputs = await asyncio.to_thread(read_complete_outputs, self.aws, self.stack)
        if self.user is None or self.password is None:
            yield AwsIot.from_outputs(outputs, SdkCredentials(self.profile))
            return
        session = CognitoSession.from_outputs(outputs, endpoint_url=self.aws.endpoint_url)
        await session.sign_in(self.user, self.password)
        try:
            yield AwsIot.from_outputs(outputs, session)
        finally:
            with suppress(SessionError):
                await session.sign_out()


@dataclass(frozen=True)
class BrokerByUrl:
    """Any broker by the address of its WebSocket.

    Args:
        url: the address.
        headers: the headers of the WebSocket's request.
        user: the MQTT user name.
        password: the MQTT password.
        ca_file: the authorities to trust.
        proxy: the proxy to go through.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    user: str | None
    password: str | None = field(repr=False)
    ca_file: Path | None
    proxy: str | None = field(repr=False)
    aws: None = None
    stack: None = None

    @property
    def name(self) -> str:
        """The address, without a query, in which there may be secrets."""
        return self.url.partition("?")[0]

    @property
    def advice(self) -> Fix:
        """The broker knows why."""
        return "The broker's log may say more."

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Take the values as they are.

        Raises:
            typer.BadParameter: one of them cannot be right.
        """
        from pubsub_client import MqttOverWebSocket

        try:
            provider = MqttOverWebSocket(
                self.url,
                headers=self.headers,
                user_name=self.user,
                password=self.password,
                ca_file=self.ca_file,
                proxy=self.proxy,
            )
        except ConfigurationError as error:
            raise typer.BadParameter(f"--broker: {error}") from error
        yield provider


@asynccontextmanager
async def connected(broker: Broker, client_id: str | None, seconds: float) -> AsyncIterator[PubSub]:
    """Connect, and say what keeps the broker from doing what it is asked for in this context.

    Args:
        broker: where to connect.
        client_id: the MQTT client id; None is a random one.
        seconds: the time there is to connect, also when the connection has gone away.

    Raises:
        CouldNotRunError: there is no such stack, or there are no credentials to read it with.
        NotDoneError: the user cannot sign in, there is no connection, or the broker refuses.
        ConfigurationError: a value cannot be right.
    """
    from pubsub_client import PubSub

    try:
        async with (
            broker.provider() as provider,
            PubSub(provider, client_id=client_id, connect_timeout=seconds) as pubsub,
        ):
            yield pubsub
    except ConfigurationError:
        raise
    except PubSubError as error:
        raise not_done(f"{error}", resource=broker.name, fix=broker.advice) from error


def choose_broker(
    context: typer.Context,
    *,
    stack: str,
    environment: str | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    user: str | None,
    password_stdin: bool,
    url: str | None,
    header: Iterable[str] | None,
    ca_file: Path | None,
    proxy: str | None,
) -> Broker:
    """Return the broker that the options mean; reads the password from standard input if they say so.

    Raises:
        typer.BadParameter: they contradict each other.
        CouldNotRunError: the endpoint of AWS is no URL.
        botocore.exceptions.ProfileNotFound: there is no such profile.
    """
    if user == "":
        raise typer.BadParameter("--user: no name given")
    if url is None:
        if given := _given(context, _OF_ANOTHER):
            raise typer.BadParameter(f"{given[0]} goes with --broker")
        if (user is not None) != password_stdin:
            raise typer.BadParameter("--user and --password-stdin go together")
        aws, name = Aws(profile, region, endpoint_url), options.stack_name(stack, environment)
        return AwsIotOfStack(aws, profile, name, user, _read_password() if password_stdin else None)
    if given := _given(context, _OF_THE_STACK):
        raise typer.BadParameter(f"--broker is another broker than a stack's: it goes without {given[0]}")
    if password_stdin and user is None:
        raise typer.BadParameter("--password-stdin goes with --user")
    if ca_file is not None and not url.lower().startswith("wss:"):
        raise typer.BadParameter("--ca-file goes with a --broker of wss://")
    headers = _parse_headers(header or ())
    return BrokerByUrl(url, headers, user, _read_password() if password_stdin else None, ca_file, proxy)


def _given(context: typer.Context, names: Collection[str]) -> list[str]:
    """Return which of these options were given, as they are written."""
    given = [name for name in names if context.get_parameter_source(name).name == "COMMANDLINE"]
    return [f"--{name.replace('_', '-')}" for name in given]


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name:  # what is wrong is not repeated: it may be a secret
            raise typer.BadParameter("--header: give a name, a colon and a value: 'Name: value'")
        if name.lower() in map(str.lower, headers):
            raise typer.BadParameter(f"--header: {name} is given twice")
        headers[name] = value
    return headers
