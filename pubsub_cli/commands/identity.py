"""``pubsub identity``, and what it shares with ``attach`` and ``detach``: they work on one user or identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pubsub_cli import options
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import Subject, describe_subject, find_subject, unknown_identity_id
from pubsub_cli.output import CommandResult, emit


def identity(
    target: options.StackOptions,
    selected: options.IdentityOptions,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Show a user's identity: IoT policies, marker, logins.

    Examples:
      pubsub identity --user ada
      pubsub identity --identity-id eu-west-1:1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f
    """
    run_on_identity("identity", target, selected, _identity, json=json, redact=redact)


def run_on_identity(
    command: str,
    target: options.StackOptions,
    selected: options.IdentityOptions,
    work: Callable[[Deployment, Subject], CommandResult],
    *,
    json: bool,
    redact: bool,
) -> None:
    """Find the selected user or identity, do the work, and print its result.

    Raises:
        typer.BadParameter: the options do not select one user or identity.
        PreconditionError: the run cannot start.
    """
    run = target.start(command, json=json, redact=redact)
    selected.check(required=True)
    try:
        with aws_errors_explained(target.aws, run.stack):
            deployment = Deployment.find(target.aws, run.stack)
            subject = find_subject(deployment, selected.user, selected.identity_id, selected.read_id_token())
            result = work(deployment, subject)
    except OperationError as error:
        result = CommandResult((), {"identity": None}, error.finding)
    emit(result, run)


def _identity(deployment: Deployment, subject: Subject) -> CommandResult:
    found = describe_subject(deployment, subject)
    failure = None if subject.identity_id else unknown_identity_id(subject).finding
    return CommandResult(_lines(found, subject, deployment.policy_name), {"identity": found}, failure)


def _lines(found: dict[str, Any], subject: Subject, policy: str) -> list[str]:
    rows: dict[str, str] = {}
    if user := found["user"]:
        rows["user"] = str(subject.user)
        rows["groups"] = ", ".join(user["groups"]) or "none"
        rows["marker"] = "none"
    if marker := found["marker"]:
        state = "current" if marker["current"] else "not current"
        times = f"set {marker['attached_at']}, expires {marker['until']}"
        rows["marker"] = f"{state}, {times}"
    if subject.identity_id:
        rows["identity id"] = subject.identity_id
        rows["policies"] = ", ".join(found["policies"]) or "none"
        rows["PubSub"] = f"{policy} is {'attached' if found['attached'] else 'NOT attached'}"
        rows["logins"] = ", ".join(found["logins"])
        rows["created"] = found["created"]
        rows["modified"] = found["last_modified"]
    return [f"{name:<11}  {value}".replace("+00:00", "Z") for name, value in rows.items()]
