"""Custom resources around an IoT policy: room for its next version, its epoch, and its leaving.

``Custom::IotPolicyVersions`` comes before the policy: each changed document is a new version, and a policy has five at
most. ``Custom::IotPolicyLifecycle`` comes after it: it gives the policy an epoch when it is made, and has it leave
everybody before it goes. The epoch is random and part of every marker: a policy destroyed and made again invalidates
all markers, whatever its name.

Both are made anew for each name a policy is given. So the deletion of another policy than the stack's own is the end of
a rename, or of one that was rolled back, and the stack's own policy takes its place; the deletion of the stack's own is
the end of the stack.

``Custom::IotPolicyOfIdentityPool`` has the policy leave the identities of an identity pool before that pool goes and
another takes its place: they are nobody's any more.

AWS refuses to delete a policy while it is attached, and for up to five minutes after:
https://docs.aws.amazon.com/iot/latest/apireference/API_DeletePolicy.html
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from iam_propagation import waits_for_permissions

from bulk.pages import PolicyTargets

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8})
_iot = boto3.client("iot", config=_CONFIG)
_states = boto3.client("stepfunctions", config=_CONFIG)
_stacks = boto3.client("cloudformation", config=_CONFIG)
_PASSING = (
    _iot.exceptions.InternalFailureException,
    _iot.exceptions.ServiceUnavailableException,
    _iot.exceptions.ThrottlingException,
)
_POLICY_NAME = os.environ["POLICY_NAME"]
_MACHINE_ARN = os.environ["DETACH_ALL_STATE_MACHINE_ARN"]
_FITTING_RENAME = int(os.environ["FITTING_RENAME"])
_COUNT_SECONDS = 30.0
# An execution that detaches few identities takes about a second, and the framework calls again after five.
_LOOKS, _LOOK_EVERY_SECONDS = 12, 0.25
_OF_THE_WHOLE_STACK = ("DELETE_", "ROLLBACK_")
_OF_IDENTITY_POOL = "Custom::IotPolicyOfIdentityPool"


class DetachIncompleteError(Exception):
    """The policy is still attached, and nothing goes on to detach it; the message says why and what to do."""


@waits_for_permissions(_iot, _states, _stacks)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Make room for a new version, give a new policy an epoch and keep it on updates, or have the policy leave."""
    if event["ResourceType"] == _OF_IDENTITY_POOL:
        return _of_identity_pool(event)
    policy_name = event["ResourceProperties"]["PolicyName"]
    if event["ResourceType"] == "Custom::IotPolicyVersions":
        if event["RequestType"] == "Update":
            _delete_old_versions(policy_name)
        return {"PhysicalResourceId": f"{policy_name}/versions"}
    if event["RequestType"] == "Create":
        epoch = secrets.token_hex(6)
        return {"PhysicalResourceId": f"{policy_name}/{epoch}", "Data": {"Epoch": epoch}}
    physical_id = event["PhysicalResourceId"]
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": physical_id, "ExecutionArn": _leave(policy_name, event["RequestId"])}
    return {"PhysicalResourceId": physical_id, "Data": {"Epoch": physical_id.rpartition("/")[2]}}


@waits_for_permissions(_iot, _states, _stacks)
def is_complete(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """On delete, wait until the policy has left everybody, and delete it; called again until no conflict is left.

    Raises:
        DetachIncompleteError: the execution that detaches it has failed.
    """
    execution_arn = event.get("ExecutionArn")
    if not execution_arn:
        return {"IsComplete": True}
    if event["ResourceType"] == _OF_IDENTITY_POOL:
        return {"IsComplete": _has_left(_POLICY_NAME, execution_arn)}
    policy_name = event["ResourceProperties"]["PolicyName"]
    try:
        has_left = _has_left(policy_name, execution_arn)
        return {"IsComplete": has_left and _delete(policy_name, event["RequestId"])}
    except _iot.exceptions.ResourceNotFoundException:
        return {"IsComplete": True}
    except _PASSING:
        return {"IsComplete": False}


def _of_identity_pool(event: Mapping[str, Any]) -> dict[str, Any]:
    identity_pool_id = event["ResourceProperties"]["IdentityPoolId"]
    answer = {"PhysicalResourceId": f"{identity_pool_id}/attachments"}
    if event["RequestType"] != "Delete":
        return answer
    (stack,) = _stacks.describe_stacks(StackName=event["StackId"])["Stacks"]
    # The deletion of the stack, and the rollback of its creation, take the policy off everybody anyway.
    if stack["StackStatus"].startswith(_OF_THE_WHOLE_STACK):
        return answer
    if not PolicyTargets(_iot, _POLICY_NAME, page_size=1).read(None).items:
        return answer
    given = {"policy": _POLICY_NAME, "identityPool": identity_pool_id}
    return answer | {"ExecutionArn": _running_or_started(given, event["RequestId"])}


def _leave(policy_name: str, request_id: str) -> str | None:
    """Start the execution that takes the policy off everybody; return its ARN, None if nobody can wait for it.

    A rename of more identities than an hour's is not waited for: CloudFormation then leaves the old policy where it is
    and goes on, and so does the execution.
    """
    given: dict[str, Any] = {"policy": policy_name}
    if policy_name == _POLICY_NAME:
        # Whatever else is under way could attach this policy to somebody. That of an earlier attempt to delete the
        # stack is stopped as well, not followed: what was stopped may be listed as running for a while.
        for execution_arn in _running():
            if execution_arn != _execution_arn(request_id):
                _stop(execution_arn)
        return _start(given, request_id)
    execution_arn = _running_or_started(given | {"replace": True}, request_id)
    count = PolicyTargets(_iot, policy_name).count(_COUNT_SECONDS)
    return execution_arn if count.is_complete and count.targets <= _FITTING_RENAME else None


def _running_or_started(given: Mapping[str, Any], name: str) -> str:
    """Return an execution that does this already, for CloudFormation tries a deletion several times, or start one."""
    for execution_arn in _running():
        with suppress(_states.exceptions.ExecutionDoesNotExist):
            execution = _states.describe_execution(executionArn=execution_arn)
            if execution["status"] == "RUNNING" and json.loads(execution["input"]) == given:
                return execution_arn
    return _start(given, name)


def _start(given: Mapping[str, Any], name: str) -> str:
    """Start an execution unless there is one of this name, whether it is listed already or not.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    with suppress(_states.exceptions.ExecutionAlreadyExists):
        _states.start_execution(stateMachineArn=_MACHINE_ARN, name=name, input=json.dumps(given))
    return _execution_arn(name)


def _execution_arn(name: str) -> str:
    return f"{_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{name}"


def _running() -> list[str]:
    """Return the executions that are listed as running. The list is eventually consistent.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    pages = _states.get_paginator("list_executions").paginate(stateMachineArn=_MACHINE_ARN, statusFilter="RUNNING")
    return [each["executionArn"] for page in pages for each in page["executions"]]


def _stop(execution_arn: str) -> None:
    try:
        _states.stop_execution(executionArn=execution_arn, cause="The stack is being destroyed")
    except (_states.exceptions.ExecutionDoesNotExist, _states.exceptions.ValidationException):
        return  # it has ended, although it is listed as running


def _has_left(policy_name: str, execution_arn: str) -> bool:
    """Tell whether the execution has succeeded, at the latest after a few seconds."""
    for look in range(_LOOKS):
        if look:
            time.sleep(_LOOK_EVERY_SECONDS)
        try:
            execution = _states.describe_execution(executionArn=execution_arn)
        except _states.exceptions.ExecutionDoesNotExist:
            continue  # not yet: it was started a moment ago
        if execution["status"] == "SUCCEEDED":
            return True
        if execution["status"] != "RUNNING":
            raise DetachIncompleteError(
                f"IoT policy {policy_name} is still attached: {execution.get('cause') or execution['status'].lower()}. "
                f"Mend that, and try again. Execution: {execution_arn}"
            )
    return False


def _delete(policy_name: str, request_id: str) -> bool:
    """Delete the policy; False while AWS still counts an attachment, be it one that was made behind our back."""
    _delete_old_versions(policy_name)
    try:
        _iot.delete_policy(policyName=policy_name)
    except _iot.exceptions.DeleteConflictException:
        if PolicyTargets(_iot, policy_name, page_size=1).read(None).items:
            given = {"policy": policy_name} | ({} if policy_name == _POLICY_NAME else {"replace": True})
            # Called every few seconds, when the execution that the last call has started may not be listed yet.
            _running_or_started(given, f"{request_id}-{int(time.time() // 60)}")
        return False
    return True


def _delete_old_versions(policy_name: str) -> None:
    """Delete every version but the one in effect."""
    for version in _iot.list_policy_versions(policyName=policy_name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            _iot.delete_policy_version(policyName=policy_name, policyVersionId=version["versionId"])
