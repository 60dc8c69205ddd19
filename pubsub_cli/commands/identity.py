"""``pubsub identity``, and what it shares with ``attach`` and ``detach``: they work on one user or identity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pubsub_cli import options
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import (
    IdentityReport,
    Subject,
    find_subject,
    report_identity,
    unknown_identity_id,
)
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
    report = report_identity(deployment, subject)
    failure = None if report.attachment else unknown_identity_id(subject).finding
    return CommandResult(_lines(report, deployment.policy_name), {"identity": _members(report)}, failure)


def _lines(report: IdentityReport, policy: str) -> list[str]:
    rows: dict[str, str] = {}
    if report.user:
        marker = report.marker
        rows["user"] = str(report.user)
        rows["groups"] = ", ".join(report.groups or ()) or "none"
        rows["marker"] = "none"
        if marker:
            state = "current" if marker.current else "not current"
            rows["marker"] = f"{state}, set {_time(marker.attached_at)}, expires {_time(marker.until)}"
    if attachment := report.attachment:
        rows["identity id"] = attachment.identity_id
        rows["policies"] = ", ".join(attachment.policies) or "none"
        rows["PubSub"] = f"{policy} is attached" if attachment.attached else f"{policy} is NOT attached"
        rows["logins"] = ", ".join(attachment.logins)
        rows["created"] = _time(attachment.created)
        rows["modified"] = _time(attachment.last_modified)
    return [f"{name:<11}  {value}" for name, value in rows.items()]


def _members(report: IdentityReport) -> dict[str, Any]:
    user, marker, attachment = report.user, report.marker, report.attachment
    return {
        "identity_id": attachment and attachment.identity_id,
        "user": user and {"name": user.name, "status": user.status, "enabled": user.enabled, "groups": report.groups},
        "marker": marker
        and {"current": marker.current, "attached_at": _time(marker.attached_at), "until": _time(marker.until)},
        "policies": attachment and attachment.policies,
        "attached": attachment and attachment.attached,
        "logins": attachment and attachment.logins,
        "created": attachment and _time(attachment.created),
        "last_modified": attachment and _time(attachment.last_modified),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
