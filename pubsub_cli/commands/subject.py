"""The options that say whom a command is about, and the frame of the commands that take them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.commands import options
from pubsub_cli.commands.told import Told, tell
from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.attach import Change
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import OperationError, aws_errors_explained
from pubsub_cli.operations.subject import Subject, by_id_token, by_identity_id, by_user

User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="The user of this name or alias.")]
IdentityId = Annotated[
    str | None, typer.Option("--identity-id", "--identity", metavar="ID", help="The identity of this id.")
]
IdToken = Annotated[
    str | None,
    typer.Option("--id-token", metavar="FILE", help="The identity of the ID token in this file; - is standard input."),
]

# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_IDENTITY_ID = re.compile(r"[\w-]{1,30}:[0-9a-f-]{1,36}", re.ASCII)


@dataclass(frozen=True)
class Selector:
    """Whom a command is about, as the options say; exactly one of them.

    Raises:
        typer.BadParameter: none or several, or one that cannot be right.
    """

    user: str | None
    identity_id: str | None
    id_token: str | None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.user, self.identity_id, self.id_token)) != 1:
            raise typer.BadParameter("give one of --user, --identity-id and --id-token")
        if self.user == "":
            raise typer.BadParameter("--user: no name given")
        check_identity_id(self.identity_id)

    def find(self, deployment: Deployment) -> Subject:
        """Return whom the options mean.

        Raises:
            PreconditionError: the file has no ID token of the stack's user pool.
            OperationError: there is no such user or identity.
        """
        if self.user is not None:
            return by_user(deployment, self.user)
        if self.identity_id is not None:
            return by_identity_id(deployment, self.identity_id)
        return by_id_token(deployment, read_id_token(self.id_token or "-"))


def members(subject: Subject, change: Change, policy: str, *, attached: bool) -> dict[str, Any]:
    """Return what the JSON document says of a change, which leaves the policy attached or not."""
    user = subject.user.name if subject.user else None
    identity = {"identity_id": change.identity_id, "user": user, "policy": policy, "attached": attached}
    return {"identity": identity, "changed": change.changed}


def about_one_identity(name: str, help_text: str, work: Callable[[Deployment, Subject], Told]) -> Callable[..., None]:
    """Return a command about one identity, with the options that all of these have.

    Args:
        name: the command's name.
        help_text: what it does, in a line.
        work: does it, and tells what it came to.
    """

    def command(
        stack: options.Stack = options.DEFAULT_STACK,
        environment: options.Environment = None,
        profile: options.Profile = None,
        region: options.Region = None,
        endpoint_url: options.EndpointUrl = None,
        user: User = None,
        identity_id: IdentityId = None,
        id_token: IdToken = None,
        json: options.Json = False,
        redact: options.Redact = False,
        verbose: options.Verbose = False,
    ) -> None:
        selector = Selector(user, identity_id, id_token)
        options.log_if(verbose)
        aws = Aws(profile, region, endpoint_url)
        AboutOneIdentity(name, aws, options.stack_name(stack, environment), selector, json, redact).run(work)

    command.__name__, command.__doc__ = name, help_text
    return command


@dataclass(frozen=True)
class AboutOneIdentity:
    """A command about one identity: where it goes, whom it is about, and how it tells what it came to."""

    name: str
    aws: Aws
    stack: str
    selector: Selector
    json: bool
    redact: bool

    def run(self, work: Callable[[Deployment, Subject], Told]) -> None:
        """Find whom the options mean, do the work, tell what it came to.

        Raises:
            PreconditionError: it could not begin: credentials, region, no such stack.
            typer.Exit: it could not be done.
        """
        try:
            with aws_errors_explained(self.aws, self.stack):
                deployment = Deployment.find(self.aws, self.stack)
                told = work(deployment, self.selector.find(deployment))
        except OperationError as error:
            told = Told((), {"identity": None}, error.finding)
        tell(told, self.name, self.aws, self.stack, json=self.json, redact=self.redact)


def check_identity_id(identity_id: str | None) -> None:
    """Check that what is given can be an identity id.

    Raises:
        typer.BadParameter: it cannot.
    """
    if identity_id is not None and not _IDENTITY_ID.fullmatch(identity_id):
        raise typer.BadParameter(f"--identity-id: {identity_id!r} given; allowed: REGION:UUID")


def read_id_token(file: str) -> str:
    """Return what is in the file of ``--id-token``; ``-`` is standard input.

    Raises:
        PreconditionError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PreconditionError(f"--id-token: {file} cannot be read: {error}") from error
    return text.strip()
