"""``pubsub attach``: attach the IoT policy to one identity."""

from __future__ import annotations

from pubsub_cli.commands.subject import about_one_identity, members
from pubsub_cli.commands.told import Told
from pubsub_cli.operations.attach import attach as attach_policy
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.subject import Subject


def _attach(deployment: Deployment, subject: Subject) -> Told:
    change = attach_policy(deployment, subject)
    policy = deployment.policy_name
    done = "is attached" if change.changed else "was attached already"
    lines = [f"{policy} {done}: identity {change.identity_id}"]
    if change.changed:
        lines.append("AWS IoT can take 6 to 8 minutes to act on it.")
    return Told(lines, members(subject, change, policy, attached=True))


attach = about_one_identity(
    "attach",
    "Attach the IoT policy to one identity; for a user as the sign-in does it, without a password.",
    _attach,
)
