"""What is known of one identity: its user, its marker, its policies, its logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.pool_user import groups
from pubsub_cli.operations.subject import Subject, describe_identity
from pubsub_cli.pool_users import Marker, PoolUser
from pubsub_client.outputs import Output


@dataclass(frozen=True)
class MarkerState:
    """Whether the trigger will take a user for attached, and until when."""

    current: bool
    attached_at: datetime
    until: datetime


@dataclass(frozen=True)
class Attachment:
    """What is attached to an identity, and where the identity comes from.

    Args:
        identity_id: the identity.
        policies: the IoT policies attached to it.
        attached: whether the stack's policy is among them.
        logins: the providers that the identity has logged in by.
        created: when the identity was made.
        last_modified: when it was last changed.
    """

    identity_id: str
    policies: list[str]
    attached: bool
    logins: list[str]
    created: datetime
    last_modified: datetime


@dataclass(frozen=True)
class IdentityReport:
    """What is known; None is what AWS does not tell from what was given."""

    user: PoolUser | None
    groups: list[str] | None
    marker: MarkerState | None
    attachment: Attachment | None


def report_identity(deployment: Deployment, subject: Subject, now: datetime | None = None) -> IdentityReport:
    """Ask AWS what it knows of an identity and its user.

    Raises:
        OperationError: the identity does not exist, or is not of this stack.
        botocore.exceptions.ClientError: something may not be asked.
    """
    user = subject.user
    # Without a trigger nothing reads a marker that an earlier deployment has left.
    marker = user.marker if user and deployment.attaches_at_sign_in else None
    return IdentityReport(
        user=user,
        groups=groups(deployment, user) if user else None,
        marker=_state(deployment, marker, now or datetime.now(UTC)) if marker else None,
        attachment=_attachment(deployment, subject.identity_id) if subject.identity_id else None,
    )


def _state(deployment: Deployment, marker: Marker, now: datetime) -> MarkerState:
    """Judge a marker as the trigger does, by the trigger's own configuration."""
    trigger = deployment.aws.functions.get_function_configuration(
        FunctionName=deployment.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    )
    days = int(trigger["Environment"]["Variables"]["ATTACHMENT_CACHE_DAYS"])
    attached_at = datetime.fromtimestamp(marker.attached_at, UTC)
    until = attached_at + timedelta(days=days)
    same = marker.fingerprint == deployment.output(Output.ATTACHMENT_MARKER)
    return MarkerState(same and attached_at <= now < until, attached_at, until)


def _attachment(deployment: Deployment, identity_id: str) -> Attachment:
    identity = describe_identity(deployment, identity_id)
    policies = deployment.attached_policies(identity_id)
    return Attachment(
        identity_id=identity_id,
        policies=policies,
        attached=deployment.policy_name in policies,
        logins=list(identity.get("Logins", ())),
        created=identity["CreationDate"],
        last_modified=identity["LastModifiedDate"],
    )
