"""Attach the stack's IoT policy to one identity, directly or by the trigger; detach it."""

from __future__ import annotations

import base64
import json
import shlex
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws_errors import AWS_ERRORS, explain
from pubsub_cli.checks.trigger import diagnose_line, parse_line, read_log
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import OperationError, operation_error
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.identity import Subject, find_user
from pubsub_cli.pool_users import ATTRIBUTE, Marker, PoolUser
from pubsub_cli.stack import log_group_of
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import InvocationResponseTypeDef

_VOID = "detached"
"""The fingerprint of a voided marker. The trigger accepts no marker with it."""


@dataclass(frozen=True)
class Change:
    """The identity, and whether its attachment was changed."""

    identity_id: str
    changed: bool


def attach(deployment: Deployment, subject: Subject) -> Change:
    """Attach the policy to the identity, unless it is attached already.

    With an identity id or an ID token the policy is attached directly. With a user name the trigger attaches it:
    its internal sign-in proves the user's identity. A marker does not prove it.

    Raises:
        PreconditionError: a user is given, and the stack has no trigger because of ``attachment: self-attach``.
        OperationError: the user cannot sign in, or the trigger did not attach the policy.
    """
    if subject.user and subject.only_marked:
        if not deployment.attaches_at_sign_in:
            raise PreconditionError(
                f"--user: {deployment.stack} uses self-attach, so no trigger can prove the identity of user "
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
    _check_can_sign_in(deployment, user)
    attached_before = user.marker and deployment.is_attached(user.marker.identity_id) and user.marker.identity_id
    _run_trigger(deployment, user)
    identity_id = _marked_and_attached(deployment, find_user(deployment, user.name))
    if identity_id is None:
        raise operation_error(
            "The trigger logged an attachment, but the user's marker and identity do not show it.",
            resource=user.name,
            fix=f"See the identity: pubsub identity --user {shlex.quote(user.name)}",
        )
    return Change(identity_id, changed=identity_id != attached_before)


def _marked_and_attached(deployment: Deployment, user: PoolUser) -> str | None:
    marker = user.marker
    if marker and marker.matches(deployment.outputs) and deployment.is_attached(marker.identity_id):
        return marker.identity_id
    return None


def detach(deployment: Deployment, subject: Subject) -> Change:
    """Detach the policy. If the user is known, void the marker, so that the next sign-in attaches the policy again.

    The policy is detached first. If this is interrupted, the marker still has the identity id for a second call.

    Raises:
        OperationError: the user's identity is unknown, or the marker could not be voided.
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
            cause = f"{deployment.policy_name} is detached, but the marker of user {user.name} is still current."
            raise OperationError(replace(finding, cause=f"{cause} {finding.cause}")) from error
        return Change(identity_id, changed=True)
    return Change(identity_id, changed=attached)


def _void_marker(deployment: Deployment, user: PoolUser, identity_id: str) -> None:
    """Write a marker that the trigger does not accept, but that keeps the identity id."""
    deployment.aws.user_pools.admin_update_user_attributes(
        UserPoolId=deployment.output(Output.USER_POOL_ID),
        Username=user.name,
        UserAttributes=[{"Name": ATTRIBUTE, "Value": str(Marker.now(_VOID, identity_id))}],
    )


def _check_can_sign_in(deployment: Deployment, user: PoolUser) -> None:
    """Check that the trigger can sign this user in.

    Raises:
        OperationError: it cannot.
    """
    name = f"--user-pool-id {deployment.output(Output.USER_POOL_ID)} --username {shlex.quote(user.name)}"
    if not user.enabled:
        raise operation_error(
            f"User {user.name} is disabled and cannot sign in.",
            resource=user.name,
            fix=f"aws cognito-idp admin-enable-user {name}",
        )
    blockers = {
        "UNCONFIRMED": ("has not confirmed the sign-up", f"aws cognito-idp admin-confirm-sign-up {name}"),
        "FORCE_CHANGE_PASSWORD": (
            "still has a temporary password",
            "Nothing to do: the first sign-in with a new password attaches the policy.",
        ),
        "RESET_REQUIRED": (
            "must reset the password first",
            "Nothing to do: the first sign-in after the reset attaches the policy.",
        ),
        "EXTERNAL_PROVIDER": (
            "is a federated user, so only the identity provider can sign in this user",
            "Give the user's ID token: pubsub attach --id-token FILE",
        ),
    }
    if blocker := blockers.get(user.status):
        state, fix = blocker
        raise operation_error(f"User {user.name} {state} ({user.status}).", resource=user.name, fix=fix)


def _run_trigger(deployment: Deployment, user: PoolUser) -> None:
    """Invoke the trigger, which attaches the policy and marks the user.

    The event has no marker, so the trigger does not skip the user.

    Raises:
        OperationError: the trigger failed, did not attach the policy, or could not mark the user.
    """
    functions = deployment.aws.functions
    name = deployment.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    function = functions.get_function_configuration(FunctionName=name)
    started = time.time()
    answer = functions.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(_trigger_event(deployment, user)))
    if answer.get("FunctionError"):
        raise operation_error(
            f"The trigger {name} failed: {_function_error(answer)}.",
            resource=user.name,
            fix=read_log(log_group_of(function), started),
        )
    line = _log_line(answer)
    if line is None or line["outcome"] != "Attached" or line["reason"] is not None:
        cause, fix = diagnose_line(line, function, started)
        raise operation_error(cause, resource=user.name, fix=fix)


def _trigger_event(deployment: Deployment, user: PoolUser) -> dict[str, Any]:
    """Return the event that Cognito would send.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
    """
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": deployment.output(Output.REGION),
        "userPoolId": deployment.output(Output.USER_POOL_ID),
        "userName": user.name,
        "callerContext": {
            "awsSdkVersion": "pubsub",
            "clientId": deployment.output(Output.USER_POOL_CLIENT_ID),
        },
        "request": {
            "userAttributes": {**user.attributes, "cognito:user_status": user.status},
            "newDeviceUsed": False,
        },
        "response": {},
    }


def _function_error(answer: InvocationResponseTypeDef) -> str:
    error = json.loads(answer["Payload"].read())
    return f"{error.get('errorType', answer['FunctionError'])}: {error.get('errorMessage', 'no message')}"


def _log_line(answer: InvocationResponseTypeDef) -> dict[str, Any] | None:
    """Return the trigger's last log line from the invocation's log tail."""
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    parsed = [parse_line(line) for line in log.splitlines()]
    return next((line for line in reversed(parsed) if line is not None), None)
