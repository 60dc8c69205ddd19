"""``pubsub identity``: what is known about one identity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pubsub_cli import options
from pubsub_cli.identity_options import IdentitySelector, run_on_identity
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import IdentityReport, Subject, report_identity, unknown_identity_id
from pubsub_cli.output import CommandResult
from pubsub_cli.run_options import StackOptions


def identity(
    target: StackOptions,
    selector: IdentitySelector,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Show one identity: user, marker, attached policies, logins."""
    run_on_identity(target.start("identity", json=json, redact=redact), target, selector, _identity)


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
        rows["marker"] = (
            f"{'current' if marker.current else 'not current'}, set {_time(marker.attached_at)}, "
            f"good until {_time(marker.until)}"
            if marker
            else "none"
        )
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
        and {
            "current": marker.current,
            "attached_at": _time(marker.attached_at),
            "until": _time(marker.until),
        },
        "policies": attachment and attachment.policies,
        "attached": attachment and attachment.attached,
        "logins": attachment and attachment.logins,
        "created": attachment and _time(attachment.created),
        "last_modified": attachment and _time(attachment.last_modified),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
