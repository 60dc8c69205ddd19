"""The options that say which broker ``pubsub publish`` and ``pubsub subscribe`` reach, and as whom."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from pubsub_client.checks.aws import Aws
from pubsub_client.cli import options
from pubsub_client.cli.broker import AwsIotOfStack, BrokerByUrl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pubsub_client.cli.broker import Broker

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
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
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
