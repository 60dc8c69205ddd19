"""The broker that ``pubsub publish`` and ``pubsub subscribe`` connect to."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pubsub_cli import options
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.files import read_text
from pubsub_cli.finding import Fix, PubSubCommand, operation_error
from pubsub_cli.stack import read_complete_outputs
from pubsub_client import AwsIot, CognitoSession, MqttOverWebSocket, PubSub, SdkCredentials
from pubsub_client._printable import one_line
from pubsub_client._provider import Provider
from pubsub_client.exceptions import ConfigurationError, PubSubError, SessionError

_OTHER = "Another broker"

_FILE = "@"
"""The prefix of a value that is a file name."""
_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
"""Matches names of headers and query parameters with secret values."""
_PASSWORD_IN_URL = re.compile(r"(?:[a-z]+://)?[^/?#@]*:[^/?#@]*@", re.IGNORECASE)

_OF_THE_STACK = ("stack", "environment", "profile", "region", "endpoint_url")
_OF_ANOTHER = ("header", "ca_file", "proxy")
_PROVIDER_OPTIONS = {"headers": "--header", "ca_file": "--ca-file", "proxy": "--proxy"}
"""The option for each parameter with which an error of the provider can begin."""


@dataclass(frozen=True)
class BrokerOptions:
    """The options for the broker and the user."""

    user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Sign in as this user. Default: connect with your AWS credentials. With --broker: use this MQTT user "
            "name.",
            rich_help_panel=options.WHO,
        ),
    ] = None
    password_stdin: options.PasswordStdin = False
    client_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Use this MQTT client id instead of a random one. This disconnects another client with the id.",
            rich_help_panel=options.WHO,
        ),
    ] = None
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Connect to this broker: ws://... or wss://..., or @FILE.",
            rich_help_panel=_OTHER,
        ),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HEADER",
            help="Send this HTTP header, 'NAME: VALUE', or those in @FILE. Repeatable. Give secrets in a file: other "
            "users of this machine can see arguments.",
            rich_help_panel=_OTHER,
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Trust these certificate authorities (PEM). Default: AWS_CA_BUNDLE or the system's.",
            rich_help_panel=_OTHER,
        ),
    ] = None
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Use this HTTP proxy, or @FILE. Default: HTTPS_PROXY and NO_PROXY.",
            rich_help_panel=_OTHER,
        ),
    ] = None


@dataclass(frozen=True)
class AwsIotOfStack:
    """The AWS IoT of a deployed stack.

    Args:
        target: the stack.
        user: the user to sign in; None to connect with the operator's credentials.
        password: the user's password.
    """

    target: options.StackOptions
    user: str | None
    password: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.target.stack_name

    @property
    def advice(self) -> Fix:
        """The next step if the connection fails."""
        if self.user is None:
            return "The permissions that you need are in the repository: docs/reference/iam-permissions.md"
        return PubSubCommand(("doctor", "--stack", self.name, "--user", self.user, "--password-stdin"))

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Read the outputs and sign in; sign out at the end."""
        aws = self.target.aws
        with aws_errors_explained(aws, self.name):
            outputs = await asyncio.to_thread(read_complete_outputs, aws, self.name)
        if self.user is None or self.password is None:
            yield AwsIot.from_outputs(outputs, SdkCredentials(self.target.profile))
            return
        session = CognitoSession.from_outputs(outputs, endpoint_url=aws.endpoint_url)
        await session.sign_in(self.user, self.password)
        try:
            yield AwsIot.from_outputs(outputs, session)
        finally:
            with suppress(SessionError):
                await session.sign_out()


@dataclass(frozen=True)
class BrokerByUrl:
    """A broker by its WebSocket URL.

    Args:
        url: the URL.
        headers: the HTTP headers of the WebSocket request.
        user: the MQTT user name.
        password: the MQTT password.
        ca_file: the trusted certificate authorities.
        proxy: the HTTP proxy.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    user: str | None
    password: str | None = field(repr=False)
    ca_file: Path | None
    proxy: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """The URL without the query, which can contain secrets."""
        return self.url.partition("?")[0]

    @property
    def advice(self) -> Fix:
        """The next step if the connection fails."""
        return "Read the broker's log."

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Return the provider.

        Raises:
            typer.BadParameter: a value is wrong.
        """
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
            option = _PROVIDER_OPTIONS.get(str(error).partition(" ")[0], "--broker")
            raise typer.BadParameter(f"{option}: {error}") from error
        yield provider


Broker = AwsIotOfStack | BrokerByUrl


def choose_broker(context: typer.Context, target: options.StackOptions, given: BrokerOptions) -> Broker:
    """Return the selected broker; read the password from standard input if the options require it.

    Secrets in arguments are accepted, with a warning on standard error.

    Raises:
        typer.BadParameter: the options contradict each other.
        PreconditionError: a file cannot be read, or --endpoint-url is not a URL.
        botocore.exceptions.ProfileNotFound: there is no such profile.
    """
    options.check_user(given.user)
    if given.broker is None:
        if others := _given(context, _OF_ANOTHER):
            raise typer.BadParameter(f"{others[0]} goes with --broker")
        if (given.user is not None) != given.password_stdin:
            raise typer.BadParameter("--user and --password-stdin go together")
        password = options.read_password() if given.password_stdin else None
        return AwsIotOfStack(target, given.user, password)
    if others := _given(context, _OF_THE_STACK):
        raise typer.BadParameter(f"--broker cannot be combined with {others[0]}")
    if given.password_stdin and given.user is None:
        raise typer.BadParameter("--password-stdin goes with --user")
    header = given.header or ()
    _warn_of_secrets(given.broker, header, given.proxy)
    url = _read_line("--broker", given.broker)
    proxy = None if given.proxy is None else _read_line("--proxy", given.proxy)
    if given.ca_file is not None and not url.lower().startswith("wss:"):
        raise typer.BadParameter("--ca-file goes with a --broker of wss://")
    headers = _parse_headers(header)
    password = options.read_password() if given.password_stdin else None
    return BrokerByUrl(url, headers, given.user, password, given.ca_file, proxy)


def _given(context: typer.Context, names: Collection[str]) -> list[str]:
    """Return the given options of these names, with dashes."""
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return [f"--{name.replace('_', '-')}" for name in given]


def _warn_of_secrets(url: str, headers: Iterable[str], proxy: str | None) -> None:
    """Warn of secrets in arguments, which are visible in process lists and in the shell's history."""
    names = [line.partition(":")[0].strip() for line in headers if not line.startswith(_FILE)]
    query = [] if url.startswith(_FILE) else [part.partition("=")[0] for part in url.partition("?")[2].split("&")]
    given = {
        "--header": next((f"the header {name}" for name in names if _SECRET.search(name)), None),
        "--broker": next((f"{name} in the query" for name in query if _SECRET.search(name)), None),
        "--proxy": "a password" if proxy and not proxy.startswith(_FILE) and _PASSWORD_IN_URL.match(proxy) else None,
    }
    for option, secret in given.items():
        if secret:
            print(
                f"pubsub: warning: {option} contains {one_line(secret)}, which other users of this machine can see; "
                f"use {option} @FILE",
                file=sys.stderr,
            )


def _read_line(option: str, value: str) -> str:
    """Return the value, or the first line of its file."""
    return next(iter(_read_lines(option, value)), "")


def _read_lines(option: str, value: str) -> list[str]:
    """Return the value, or the lines of its file that are not empty.

    Raises:
        PreconditionError: the file cannot be read.
    """
    if not value.startswith(_FILE):
        return [value]
    lines = read_text(option, Path(value.removeprefix(_FILE))).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in (each for value in lines for each in _read_lines("--header", value)):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name:  # not quoted, because it can be a secret
            raise typer.BadParameter("--header: give a name, a colon and a value: 'Name: value'")
        if name.lower() in map(str.lower, headers):
            raise typer.BadParameter(f"--header: {name} is given twice")
        headers[name] = value
    return headers


@asynccontextmanager
async def connected(broker: Broker, client_id: str | None, seconds: float) -> AsyncIterator[PubSub]:
    """Connect to the broker, and explain its errors.

    Args:
        broker: the broker.
        client_id: the MQTT client id; None for a random one.
        seconds: the timeout of each connection attempt.

    Raises:
        PreconditionError: there is no such stack, or there are no credentials to read its outputs.
        OperationError: the sign-in or the connection failed, or the broker rejected a request.
        ConfigurationError: a value is wrong.
    """
    try:
        async with (
            broker.provider() as provider,
            PubSub(provider, client_id=client_id, connect_timeout=seconds) as pubsub,
        ):
            yield pubsub
    except ConfigurationError:
        raise
    except PubSubError as error:
        raise operation_error(f"{error}", resource=broker.name, fix=broker.advice) from error


def start_run(command: str, target: options.StackOptions, broker: Broker, *, json: bool) -> options.RunOptions:
    """Start the run of a command that uses a broker."""
    if isinstance(broker, AwsIotOfStack):
        return target.start(command, json=json)
    options.log_if(target.verbose)
    return options.RunOptions(command, json=json)
