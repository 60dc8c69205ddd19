"""The options that commands share.

Imports neither botocore nor rich before a command uses AWS, because ``python -m tools`` uses this module too.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pubsub_cli.files import read_text
from pubsub_client._printable import one_line

if TYPE_CHECKING:
    from pubsub_cli.aws import Aws

DEPLOYMENT = "Deployment"
WHO = "User or identity"
OUTPUT = "Output"

DEFAULT_STACK = "AmplifyPubSub"
DEFAULT_TIMEOUT = 300.0
_DEFAULT_ENVIRONMENT = "default"

Stack = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"Use this stack. Default: {DEFAULT_STACK}.", rich_help_panel=DEPLOYMENT),
]
Environment = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Use the stack AmplifyPubSub-NAME. Not with --stack.", rich_help_panel=DEPLOYMENT
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Use this profile of the AWS configuration.", rich_help_panel=DEPLOYMENT),
]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="REGION",
        help="Use this AWS region. Default: AWS_REGION, AWS_DEFAULT_REGION, then the profile's.",
        rich_help_panel=DEPLOYMENT,
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Send AWS requests to this URL: the local cloud.", rich_help_panel=DEPLOYMENT),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Write one JSON document, and nothing else, to stdout.", rich_help_panel=OUTPUT),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE",
        dir_okay=False,
        help="Write the results to FILE as JUnit XML.",
        rich_help_panel=OUTPUT,
    ),
]
Redact = Annotated[bool, typer.Option("--redact", help="Mask identity ids.", rich_help_panel=OUTPUT)]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show more details, and log messages on stderr.", rich_help_panel=OUTPUT)
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=1,
        help="Wait this long for slow changes. On AWS an attachment can take 8 minutes.",
    ),
]
WaitTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=1,
        help=f"Wait this long for slow changes, also without --wait. Default with --wait: {DEFAULT_TIMEOUT:.0f}.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation prompt.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="Run this check and those it depends on. Repeatable."),
]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="ID", help="Skip this check. Repeatable.")]
User = Annotated[
    str | None, typer.Option(metavar="NAME", help="Select the user with this name or alias.", rich_help_panel=WHO)
]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Sign in as --user; read the password from stdin.", rich_help_panel=WHO),
]

_STDIN = "-"
_IDENTITY_ID = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_GIVEN_IDENTITY_ID = re.compile(r"[\w-]{1,30}:[0-9a-f-]{1,36}", re.ASCII)


def seconds_to_wait(wait: bool, timeout: float | None) -> float:
    """Return how long --wait and --timeout let a command wait for slow changes; 0 if neither is given."""
    return timeout or (DEFAULT_TIMEOUT if wait else 0.0)


@dataclass(frozen=True)
class RunOptions:
    """How one run of a command reports.

    Args:
        command: the command's name.
        stack: the stack, or another name for the deployment; empty if the run has none.
        region: the region in effect; None if the run does not use AWS.
        cli_options: the options with which a suggested command reaches the same account and region.
        json: write only the JSON document to standard output.
        redact: mask identity ids.
        junit: the file of the JUnit report.
        skip: ids of checks to skip.
        verbose: show ids, times and details of all checks.
    """

    command: str
    stack: str = ""
    region: str | None = None
    cli_options: str = ""
    json: bool = False
    redact: bool = False
    junit: Path | None = None
    skip: Collection[str] = ()
    verbose: bool = False

    def masked(self, text: str) -> str:
        """Return the text; with ``--redact`` its identity ids are masked."""
        return _IDENTITY_ID.sub("<identity id>", text) if self.redact else text


@dataclass(frozen=True)
class AccountOptions:
    """The options of a command that uses an AWS account."""

    profile: Profile = None
    region: Region = None
    endpoint_url: EndpointUrl = None
    verbose: Verbose = False

    @cached_property
    def aws(self) -> Aws:
        """The operator's clients."""
        from pubsub_cli.aws import Aws

        return Aws(self.profile, self.region, self.endpoint_url)

    @property
    def stack_name(self) -> str:
        """The stack's name; empty for a command that uses no stack."""
        return ""

    def start(self, command: str, **report: Any) -> RunOptions:
        """Start logging if --verbose is given, and return how the run reports.

        Args:
            command: the command's name.
            report: other fields of :class:`RunOptions`.

        Raises:
            PreconditionError: --endpoint-url is not a URL.
            botocore.exceptions.ProfileNotFound: there is no such profile.
        """
        log_if(self.verbose)
        fields = {"stack": self.stack_name, "region": self.aws.region, "cli_options": self.aws.cli_options}
        return RunOptions(command, verbose=self.verbose, **fields | report)


@dataclass(frozen=True)
class StackOptions(AccountOptions):
    """The options of a command that uses a deployed stack."""

    stack: Stack = None
    environment: Environment = None

    def __post_init__(self) -> None:
        """Check that only one option names the stack.

        Raises:
            typer.BadParameter: both are given, so a command might change the wrong deployment.
        """
        if self.stack is not None and self.environment is not None:
            raise typer.BadParameter("--stack cannot be combined with --environment")

    @property
    def stack_name(self) -> str:
        """The stack's name: --stack, or else that of --environment."""
        if self.stack is not None:
            return self.stack
        is_named = self.environment not in (None, _DEFAULT_ENVIRONMENT)
        return f"{DEFAULT_STACK}-{self.environment}" if is_named else DEFAULT_STACK


@dataclass(frozen=True)
class IdentityOptions:
    """The options that select one user or identity."""

    user: User = None
    identity_id: Annotated[
        str | None,
        typer.Option("--identity-id", metavar="ID", help="Select the identity with this id.", rich_help_panel=WHO),
    ] = None
    id_token: Annotated[
        str | None,
        typer.Option(
            "--id-token",
            metavar="FILE",
            help="Select the user of the ID token in FILE; - is stdin.",
            rich_help_panel=WHO,
        ),
    ] = None

    def check(self, *, required: bool) -> None:
        """Check the options.

        Args:
            required: whether one of them must be given.

        Raises:
            typer.BadParameter: none or several are given, or one is malformed.
        """
        number = sum(each is not None for each in (self.user, self.identity_id, self.id_token))
        if number > 1 or (required and not number):
            raise typer.BadParameter("give one of --user, --identity-id and --id-token")
        check_user(self.user)
        if self.identity_id is not None and not _GIVEN_IDENTITY_ID.fullmatch(self.identity_id):
            raise typer.BadParameter(f"--identity-id: {self.identity_id!r} given; allowed: REGION:UUID")

    def read_id_token(self) -> str | None:
        """Return the ID token; None if the option is not given.

        Raises:
            PreconditionError: the file cannot be read.
        """
        if self.id_token is None:
            return None
        from_stdin = self.id_token == _STDIN
        return (sys.stdin.read() if from_stdin else read_text("--id-token", Path(self.id_token))).strip()


def check_user(user: str | None) -> None:
    """Check --user.

    Raises:
        typer.BadParameter: the name is empty.
    """
    if user == "":
        raise typer.BadParameter("--user: no name given")


def read_password() -> str:
    """Return the password of --password-stdin."""
    return sys.stdin.readline().rstrip("\r\n")


def log_if(verbose: bool) -> None:
    """Show log messages of the client and the AWS SDK on standard error."""
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLineFormatter(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        # Otherwise each client logs where its endpoint URL comes from.
        logging.getLogger("botocore.configprovider").setLevel(logging.WARNING)


class _OneLineFormatter(logging.Formatter):
    """Formats each record as one line; a traceback follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))
