"""Attaches the stack's IoT policy to one identity: directly, or for a user by the trigger that sign-ins fire."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import not_done
from pubsub_cli.operations.pool_user import check_can_sign_in, find_user
from pubsub_cli.operations.subject import Subject
from pubsub_cli.operations.trigger import run_trigger
from pubsub_cli.pool_users import PoolUser
from pubsub_client.outputs import Output


@dataclass(frozen=True)
class Change:
    """What an operation came to: the identity, and whether what is attached to it had to be changed."""

    identity_id: str
    changed: bool


def attach(deployment: Deployment, subject: Subject) -> Change:
    """Attach the policy to the identity; it may be attached already.

    An identity given by its id or proven by an ID token is attached directly. For a user the trigger does it, which
    proves the user by its internal sign-in and marks the user: a marker's word alone is not taken for an identity.

    Raises:
        PreconditionError: a user is given, and there is no trigger: the setting ``attachment`` is ``self-attach``.
        OperationError: the user cannot sign in, or the trigger did not attach; with the cause it tells.
        botocore.exceptions.ClientError: AWS refuses.
    """
    if subject.user and subject.only_marked:
        if not deployment.attaches_at_sign_in:
            raise PreconditionError(
                f"--user: {deployment.stack} has attachment: self-attach, so no trigger can prove user "
                f"{subject.user.name}: give --id-token or --identity-id instead, or let the user's front end call "
                f"{deployment.output(Output.SELF_ATTACH_URL)}"
            )
        return _attach_user(deployment, subject.user)
    return _attach_identity(deployment, subject.known_identity_id())


def _attach_identity(deployment: Deployment, identity_id: str) -> Change:
    if deployment.is_attached(identity_id):
        return Change(identity_id, changed=False)
    deployment.aws.iot.attach_policy(policyName=deployment.policy_name, target=identity_id)
    return Change(identity_id, changed=True)


def _attach_user(deployment: Deployment, user: PoolUser) -> Change:
    if (identity_id := _marked_and_attached(deployment, user)) is not None:
        return Change(identity_id, changed=False)
    check_can_sign_in(deployment, user)
    attached_before = user.marker and deployment.is_attached(user.marker.identity_id) and user.marker.identity_id
    run_trigger(deployment, user)
    identity_id = _marked_and_attached(deployment, find_user(deployment, user.name))
    if identity_id is None:
        raise not_done(
            "The trigger says it attached the policy, but marker and identity do not show it.",
            resource=user.name,
            fix=f"See what is there: pubsub identity --user {shlex.quote(user.name)}",
        )
    return Change(identity_id, changed=identity_id != attached_before)


def _marked_and_attached(deployment: Deployment, user: PoolUser) -> str | None:
    marker = user.marker
    if marker is None or marker.fingerprint != deployment.output(Output.ATTACHMENT_MARKER):
        return None
    return marker.identity_id if deployment.is_attached(marker.identity_id) else None
