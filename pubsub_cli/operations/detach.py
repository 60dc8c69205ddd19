"""Detaches the stack's IoT policy from one identity, and voids the marker that would deny it."""

from __future__ import annotations

from dataclasses import replace

from pubsub_cli.aws_errors import AWS_ERRORS, explain
from pubsub_cli.operations.attach import Change
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import OperationError
from pubsub_cli.operations.subject import Subject
from pubsub_cli.pool_users import ATTRIBUTE, Marker, PoolUser
from pubsub_client.outputs import Output

_VOID = "detached"
"""What a marker begins with that is current for no attachment."""


def detach(deployment: Deployment, subject: Subject) -> Change:
    """Detach the policy and, where the user is known, void the user's marker: the next sign-in attaches again.

    The policy first: broken off in between, the marker still tells the identity id, and the same call ends it.

    Raises:
        OperationError: the identity of the user is not known, or the marker could not be voided.
        botocore.exceptions.ClientError: AWS refuses.
    """
    identity_id, user = subject.known_identity_id(), subject.user
    attached = deployment.is_attached(identity_id)
    if attached:
        deployment.aws.iot.detach_policy(policyName=deployment.policy_name, target=identity_id)
    if user and user.marker and user.marker.fingerprint != _VOID:
        try:
            _void_marker(deployment, user, identity_id)
        except AWS_ERRORS as error:
            finding = explain(error, deployment.aws, user.name)
            cause = f"{deployment.policy_name} is detached, but the marker of user {user.name} still says attached."
            raise OperationError(replace(finding, cause=f"{cause} {finding.cause}")) from error
        return Change(identity_id, changed=True)
    return Change(identity_id, changed=attached)


def _void_marker(deployment: Deployment, user: PoolUser, identity_id: str) -> None:
    """Leave a marker that is current for no attachment, and still tells the identity id."""
    deployment.aws.user_pools.admin_update_user_attributes(
        UserPoolId=deployment.output(Output.USER_POOL_ID),
        Username=user.name,
        UserAttributes=[{"Name": ATTRIBUTE, "Value": str(Marker.now(_VOID, identity_id))}],
    )
