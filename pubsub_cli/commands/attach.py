"""``pubsub attach``: attach the IoT policy to one identity."""

from __future__ import annotations

from pubsub_cli import options
from pubsub_cli.identity_options import IdentitySelector, change_members, run_on_identity
from pubsub_cli.operations.attachment import attach as attach_policy
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import Subject
from pubsub_cli.output import CommandResult
from pubsub_cli.run_options import StackOptions


def attach(
    target: StackOptions,
    selector: IdentitySelector,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Attach the IoT policy to one identity; for a user as the sign-in does it, without a password."""
    run_on_identity(target.start("attach", json=json, redact=redact), target, selector, _attach)


def _attach(deployment: Deployment, subject: Subject) -> CommandResult:
    change = attach_policy(deployment, subject)
    policy = deployment.policy_name
    done = "is attached" if change.changed else "was attached already"
    lines = [f"{policy} {done}: identity {change.identity_id}"]
    if change.changed:
        lines.append("AWS IoT can take 6 to 8 minutes to act on it.")
    return CommandResult(lines, change_members(subject, change, policy, attached=True))
