"""The options that select one identity, and the frame of the commands that take them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.attachment import Change
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import Subject, by_id_token, by_identity_id, by_user
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.run_options import RunOptions, StackOptions

# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_IDENTITY_ID = re.compile(r"[\w-]{1,30}:[0-9a-f-]{1,36}", re.ASCII)


@dataclass(frozen=True)
class IdentitySelector:
    """The identity that the options select; exactly one of them must be given."""

    user: Annotated[str | None, typer.Option(metavar="NAME", help="The user with this name or alias.")] = None
    identity_id: Annotated[
        str | None, typer.Option("--identity-id", "--identity", metavar="ID", help="The identity with this id.")
    ] = None
    id_token: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The identity of the ID token in this file; - is standard input."),
    ] = None

    def check(self) -> None:
        """Check the options.

        Raises:
            typer.BadParameter: none or several are given, or one is malformed.
        """
        if sum(each is not None for each in (self.user, self.identity_id, self.id_token)) != 1:
            raise typer.BadParameter("give one of --user, --identity-id and --id-token")
        if self.user == "":
            raise typer.BadParameter("--user: no name given")
        check_identity_id(self.identity_id)

    def find(self, deployment: Deployment) -> Subject:
        """Return the identity and its user, as far as they are known.

        Raises:
            PreconditionError: the file has no ID token of the stack's user pool.
            OperationError: there is no such user or identity.
        """
        if self.user is not None:
            return by_user(deployment, self.user)
        if self.identity_id is not None:
            return by_identity_id(deployment, self.identity_id)
        return by_id_token(deployment, read_id_token(self.id_token or "-"))


def run_on_identity(
    run: RunOptions,
    target: StackOptions,
    selector: IdentitySelector,
    work: Callable[[Deployment, Subject], CommandResult],
) -> None:
    """Find the selected identity, do the work, and print its result.

    Raises:
        typer.BadParameter: the options do not select one identity.
        PreconditionError: it could not begin: credentials, region, no such stack.
        typer.Exit: it failed.
    """
    selector.check()
    try:
        with aws_errors_explained(target.aws, run.stack):
            deployment = Deployment.find(target.aws, run.stack)
            result = work(deployment, selector.find(deployment))
    except OperationError as error:
        result = CommandResult((), {"identity": None}, error.finding)
    emit(result, run)


def change_members(subject: Subject, change: Change, policy: str, *, attached: bool) -> dict[str, Any]:
    """Return the members of the JSON document for a change, after which the policy is attached or not."""
    user = subject.user.name if subject.user else None
    identity = {"identity_id": change.identity_id, "user": user, "policy": policy, "attached": attached}
    return {"identity": identity, "changed": change.changed}


def check_identity_id(identity_id: str | None) -> None:
    """Check the form of an identity id.

    Raises:
        typer.BadParameter: it is malformed.
    """
    if identity_id is not None and not _IDENTITY_ID.fullmatch(identity_id):
        raise typer.BadParameter(f"--identity-id: {identity_id!r} given; allowed: REGION:UUID")


def read_id_token(file: str) -> str:
    """Return the content of the file of ``--id-token``; ``-`` is standard input.

    Raises:
        PreconditionError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PreconditionError(f"--id-token: {file} cannot be read: {error}") from error
    return text.strip()
