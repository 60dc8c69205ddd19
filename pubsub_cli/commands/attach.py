"""``pubsub attach``: attach the IoT policy to an identity."""

from __future__ import annotations

from typing import Any

from pubsub_cli import options
from pubsub_cli.commands.identity import run_on_identity
from pubsub_cli.operations.attachment import Change
from pubsub_cli.operations.attachment import attach as attach_policy
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import Subject
from pubsub_cli.output import CommandResult


def attach(
    target: options.StackOptions,
    selected: options.IdentityOptions,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Attach the IoT policy to an identity.

    With --user the trigger attaches it, as at a sign-in. The user's password is not needed.

    Examples:
      pubsub attach --user ada
      pubsub attach --id-token token.jwt
    """
    run_on_identity("attach", target, selected, _attach, json=json, redact=redact)


def _attach(deployment: Deployment, subject: Subject) -> CommandResult:
    change = attach_policy(deployment, subject)
    policy = deployment.policy_name
    state = "is attached" if change.changed else "was already attached"
    lines = [f"{policy} {state}: identity {change.identity_id}"]
    if change.changed:
        lines.append("It can take 6 to 8 minutes until AWS IoT applies it.")
    return CommandResult(lines, change_members(subject, change, policy, attached=True))


def change_members(subject: Subject, change: Change, policy: str, *, attached: bool) -> dict[str, Any]:
    """Return the members of the JSON document for a change.

    Args:
        subject: the identity and its user.
        change: what was changed.
        policy: the name of the IoT policy.
        attached: whether the policy is attached now.
    """
    user = subject.user.name if subject.user else None
    identity = {"identity_id": change.identity_id, "user": user, "policy": policy, "attached": attached}
    return {"identity": identity, "changed": change.changed}
