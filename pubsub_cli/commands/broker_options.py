"""The options that say which broker ``pubsub publish`` and ``pubsub subscribe`` reach, and as whom."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.commands import options
from pubsub_cli.commands.broker import AwsIotOfStack, Broker, BrokerByUrl
from pubsub_client._printable import one_line

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
        help="A broker by the address of its WebSocket: ws://... or wss://...; @FILE reads it from a file.",
        rich_help_panel=_OTHER,
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="'NAME: VALUE'|@FILE",
        help="An HTTP header of the WebSocket's request; may be repeated. @FILE reads headers from a file, one a line: "
        "give secrets that way, for other users of the machine can see arguments.",
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
        help="The HTTP proxy to go through; that of HTTPS_PROXY and NO_PROXY unless given. @FILE reads it from a file, "
        "as one with a password should be.",
        rich_help_panel=_OTHER,
    ),
]

_FILE = "@"
"""What a value begins with that stands in a file."""
_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|signature|token", re.IGNORECASE)
"""What the names of headers and parameters have in them whose values are secret."""
_PASSWORD_IN_URL = re.compile(r"(?:[a-z]+://)?[^/?#@]*:[^/?#@]*@", re.IGNORECASE)

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

    Secrets among the arguments are taken, with a warning on standard error.

    Raises:
        typer.BadParameter: they contradict each other, or a file that they name cannot be read.
        PreconditionError: the endpoint of AWS is no URL.
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
    _warn_of_secrets(url, header or (), proxy)
    url = _read_line("--broker", url)
    proxy = None if proxy is None else _read_line("--proxy", proxy)
    if ca_file is not None and not url.lower().startswith("wss:"):
        raise typer.BadParameter("--ca-file goes with a --broker of wss://")
    headers = _parse_headers(header or ())
    return BrokerByUrl(url, headers, user, _read_password() if password_stdin else None, ca_file, proxy)


def _given(context: typer.Context, names: Collection[str]) -> list[str]:
    """Return which of these options were given, as they are written."""
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    return [f"--{name.replace('_', '-')}" for name in given]


def _warn_of_secrets(url: str, headers: Iterable[str], proxy: str | None) -> None:
    """Warn of secrets among the arguments: whoever lists the processes sees them, and the shell keeps them."""
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
                f"pubsub: warning: {option} has {one_line(secret)}, which other users of this machine can see; give "
                f"{option} @FILE",
                file=sys.stderr,
            )


def _read_line(option: str, value: str) -> str:
    """Return the value, or the first line of the file that it names."""
    return next(iter(_read_lines(option, value)), "")


def _read_lines(option: str, value: str) -> list[str]:
    """Return the value, or the lines of the file that it names, without empty ones.

    Raises:
        typer.BadParameter: the file cannot be read.
    """
    if not value.startswith(_FILE):
        return [value]
    name = value.removeprefix(_FILE)
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise typer.BadParameter(f"{option}: {name} cannot be read: {why}") from None
    return [line.strip() for line in lines if line.strip()]


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in (each for value in lines for each in _read_lines("--header", value)):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name:  # what is wrong is not repeated: it may be a secret
            raise typer.BadParameter("--header: give a name, a colon and a value: 'Name: value'")
        if name.lower() in map(str.lower, headers):
            raise typer.BadParameter(f"--header: {name} is given twice")
        headers[name] = value
    return headers
