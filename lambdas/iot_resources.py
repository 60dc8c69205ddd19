"""The custom resources for AWS IoT. One function handles them, because they need permissions on the same policy.

- ``Custom::IotEndpoint`` looks up the account's endpoint, which CloudFormation cannot.
- ``Custom::IotPolicyVersions`` is updated before the IoT policy. It deletes old versions, because each changed document
  creates a version, and a policy can have five.
- ``Custom::IotPolicyLifecycle`` is created after the policy, and returns its generation: a random part of every marker.
  If a policy is deleted and created again, its new generation invalidates all markers. When this resource is deleted,
  the policy is detached from every target, and deleted. A changed policy name replaces the resource. So there are two
  kinds of deletion. The current policy is deleted with the stack. Another policy is deleted after a rename, or after
  the rollback of one, and its targets get the current policy first.
- ``Custom::IotPolicyOfIdentityPool`` detaches the policy from the identities of an identity pool that was replaced.
- ``Custom::DeletionGuard`` depends on every other resource, so CloudFormation deletes it first. It fails the deletion
  of the stack, before anything is deleted, if there is not enough time to detach the policy from all targets.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from custom_resource import custom_resource
from iam_propagation import waits_for_permissions

from bulk.pages import PolicyTargets

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8})
_iot = boto3.client("iot", config=_CONFIG)
_states = boto3.client("stepfunctions", config=_CONFIG)
_stacks = boto3.client("cloudformation", config=_CONFIG)
_RETRYABLE = (
    _iot.exceptions.InternalFailureException,
    _iot.exceptions.ServiceUnavailableException,
    _iot.exceptions.ThrottlingException,
)
_POLICY_NAME = os.environ["POLICY_NAME"]
_STACK_NAME = os.environ["STACK_NAME"]
_MACHINE_ARN = os.environ["DETACH_ALL_STATE_MACHINE_ARN"]
_MAX_RENAMED_IDENTITIES = int(os.environ["MAX_RENAMED_IDENTITIES"])
_COUNT_SECONDS = 30.0
_GUARD_COUNT_SECONDS = 600.0
# An execution with few identities takes about a second, and is_complete is called only every five seconds.
_POLLS, _POLL_SECONDS = 12, 0.25
_STACK_IS_DELETED = ("DELETE_", "ROLLBACK_")
# How long CloudFormation waits for the identities of a replaced pool. Their number is unknown.
_REPLACED_POOL_SECONDS = 2400.0

Event = dict[str, Any]
Response = dict[str, Any]


class DetachIncompleteError(Exception):
    """The policy is still attached, and the execution that detaches it has failed."""


class TooManyAttachedError(Exception):
    """The policy is attached to more identities than can be detached while CloudFormation waits."""


@waits_for_permissions(_iot, _states, _stacks)
def on_event(event: Event, _context: Any) -> Response:
    """Handle a request for one of the custom resources.

    Raises:
        TooManyAttachedError: the stack must not be deleted yet.
    """
    return _HANDLERS[event["ResourceType"]](event)


@waits_for_permissions(_iot, _states, _stacks)
def is_complete(event: Event, _context: Any) -> bool:
    """Return whether the policy is detached; delete a detached policy, except after a change of the identity pool.

    Raises:
        DetachIncompleteError: the execution that detaches it has failed.
    """
    execution_arn = event.get("ExecutionArn")
    if not execution_arn:
        return True
    if event["ResourceType"] == "Custom::IotPolicyOfIdentityPool":
        # The execution continues after that. CloudFormation would otherwise retry three times for an hour.
        return _is_detached(_POLICY_NAME, execution_arn) or time.time() > event["StopWaitingAt"]
    policy_name = event["ResourceProperties"]["PolicyName"]
    try:
        return _is_detached(policy_name, execution_arn) and _delete(policy_name, event["RequestId"])
    except _iot.exceptions.ResourceNotFoundException:
        return True
    except _RETRYABLE:
        return False


handler = custom_resource(on_event, is_complete)


def _endpoint(event: Event) -> Response:
    """Look up the ATS endpoint; browsers no longer trust the certificate of the older one.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeEndpoint.html
    """
    response: Response = {"PhysicalResourceId": "iot-data-ats-endpoint"}
    if event["RequestType"] != "Delete":
        response["Data"] = {"Address": _iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]}
    return response


def _versions(event: Event) -> Response:
    policy_name = event["ResourceProperties"]["PolicyName"]
    if event["RequestType"] == "Update":
        _delete_old_versions(policy_name)
    return {"PhysicalResourceId": f"{policy_name}/versions"}


def _lifecycle(event: Event) -> Response:
    policy_name = event["ResourceProperties"]["PolicyName"]
    if event["RequestType"] == "Create":
        generation = secrets.token_hex(6)
        return {"PhysicalResourceId": f"{policy_name}/{generation}", "Data": {"Generation": generation}}
    physical_id = event["PhysicalResourceId"]
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": physical_id, "ExecutionArn": _detach_all(policy_name, event["RequestId"])}
    return {"PhysicalResourceId": physical_id, "Data": {"Generation": physical_id.rpartition("/")[2]}}


def _identity_pool(event: Event) -> Response:
    identity_pool_id = event["ResourceProperties"]["IdentityPoolId"]
    response = {"PhysicalResourceId": f"{identity_pool_id}/attachments"}
    if event["RequestType"] != "Delete":
        return response
    (stack,) = _stacks.describe_stacks(StackName=event["StackId"])["Stacks"]
    # When the stack is deleted, or its creation rolled back, the policy is detached from all targets.
    if stack["StackStatus"].startswith(_STACK_IS_DELETED):
        return response
    if not PolicyTargets(_iot, _POLICY_NAME, page_size=1).read(None).items:
        return response
    options = {"policy": _POLICY_NAME, "identityPool": identity_pool_id}
    execution_arn = _running_or_started(options, event["RequestId"])
    return response | {"ExecutionArn": execution_arn, "StopWaitingAt": time.time() + _REPLACED_POOL_SECONDS}


def _deletion_guard(event: Event) -> Response:
    """Count the targets before the stack is deleted."""
    if event["RequestType"] == "Delete":
        properties = event["ResourceProperties"]
        count = PolicyTargets(_iot, _POLICY_NAME).count(_GUARD_COUNT_SECONDS)
        if not count.is_complete or count.targets > int(properties["MaxIdentities"]):
            per_second = int(properties["DetachPerSecond"])
            hours = count.targets / per_second / 3600
            raise TooManyAttachedError(
                f"Nothing of stack {_STACK_NAME} was deleted. Its IoT policy {_POLICY_NAME} is attached to {count} "
                f"identities. To detach {per_second} per second takes {hours:.1f} hours, but CloudFormation waits only "
                f"one hour. Detach them first: pubsub detach --all --stack {_STACK_NAME} --region "
                f"{os.environ['AWS_REGION']}. Then delete the stack again."
            )
    return {"PhysicalResourceId": f"{_STACK_NAME}/deletion-guard"}


_HANDLERS = {
    "Custom::IotEndpoint": _endpoint,
    "Custom::IotPolicyVersions": _versions,
    "Custom::IotPolicyLifecycle": _lifecycle,
    "Custom::IotPolicyOfIdentityPool": _identity_pool,
    "Custom::DeletionGuard": _deletion_guard,
}


def _detach_all(policy_name: str, request_id: str) -> str | None:
    """Start the execution that detaches the policy from all targets; return its ARN, or None not to wait for it.

    AWS refuses to delete a policy while it is attached, and for up to five minutes after that:
    https://docs.aws.amazon.com/iot/latest/apireference/API_DeletePolicy.html. CloudFormation does not wait for a rename
    that takes longer than an hour. It keeps the old policy and continues, and so does the execution.
    """
    options: dict[str, Any] = {"policy": policy_name}
    if policy_name == _POLICY_NAME:
        # Stop other executions, because they could attach this policy. Also stop the execution of an earlier attempt to
        # delete the stack: it could be listed as running although it was stopped.
        for execution_arn in _running():
            if execution_arn != _execution_arn(request_id):
                _stop(execution_arn)
        return _start(options, request_id)
    execution_arn = _running_or_started(options | {"replace": True}, request_id)
    count = PolicyTargets(_iot, policy_name).count(_COUNT_SECONDS)
    return execution_arn if count.is_complete and count.targets <= _MAX_RENAMED_IDENTITIES else None


def _running_or_started(options: Mapping[str, Any], name: str) -> str:
    """Return the running execution with this input, from an earlier attempt of CloudFormation; otherwise start one."""
    for execution_arn in _running():
        with suppress(_states.exceptions.ExecutionDoesNotExist):
            execution = _states.describe_execution(executionArn=execution_arn)
            if execution["status"] == "RUNNING" and json.loads(execution["input"]) == options:
                return execution_arn
    return _start(options, name)


def _start(options: Mapping[str, Any], name: str) -> str:
    """Start an execution, unless there is one of this name, and return its ARN.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    with suppress(_states.exceptions.ExecutionAlreadyExists):
        _states.start_execution(stateMachineArn=_MACHINE_ARN, name=name, input=json.dumps(options))
    return _execution_arn(name)


def _execution_arn(name: str) -> str:
    return f"{_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{name}"


def _running() -> list[str]:
    """Return the executions that AWS lists as running. The list is eventually consistent.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """
    pages = _states.get_paginator("list_executions").paginate(stateMachineArn=_MACHINE_ARN, statusFilter="RUNNING")
    return [each["executionArn"] for page in pages for each in page["executions"]]


def _stop(execution_arn: str) -> None:
    try:
        _states.stop_execution(executionArn=execution_arn, cause="The stack is being destroyed")
    except (_states.exceptions.ExecutionDoesNotExist, _states.exceptions.ValidationException):
        return  # it has ended


def _is_detached(policy_name: str, execution_arn: str) -> bool:
    """Return whether the execution has succeeded; wait up to three seconds for that."""
    for poll in range(_POLLS):
        if poll:
            time.sleep(_POLL_SECONDS)
        try:
            execution = _states.describe_execution(executionArn=execution_arn)
        except _states.exceptions.ExecutionDoesNotExist:
            continue  # not listed yet
        if execution["status"] == "SUCCEEDED":
            return True
        if execution["status"] != "RUNNING":
            raise DetachIncompleteError(
                f"IoT policy {policy_name} is still attached: {execution.get('cause') or execution['status'].lower()}. "
                f"Fix that, and try again. Execution: {execution_arn}"
            )
    return False


def _delete(policy_name: str, request_id: str) -> bool:
    """Delete the policy; return False while AWS still counts an attachment, which may be a new one."""
    _delete_old_versions(policy_name)
    try:
        _iot.delete_policy(policyName=policy_name)
    except _iot.exceptions.DeleteConflictException:
        if PolicyTargets(_iot, policy_name, page_size=1).read(None).items:
            options = {"policy": policy_name} | ({} if policy_name == _POLICY_NAME else {"replace": True})
            # The next call is seconds later, and this execution may not be listed by then. So use the same name for a
            # minute.
            _running_or_started(options, f"{request_id}-{int(time.time() // 60)}")
        return False
    return True


def _delete_old_versions(policy_name: str) -> None:
    """Delete every version except the default."""
    for version in _iot.list_policy_versions(policyName=policy_name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            _iot.delete_policy_version(policyName=policy_name, policyVersionId=version["versionId"])
