"""The custom resource that attaches one managed policy to an adopted role, and detaches it on deletion.

A policy that the role had before is not detached. The physical id contains that fact, the role and the policy, so a
change of role or policy replaces the resource: CloudFormation deletes the old one after the new one is attached.

CloudFormation gets the physical id only after the policy was attached. If the function is interrupted before that,
Lambda repeats the invocation, which finds the policy attached. So an SSM parameter records the policy before it is
attached, until it was detached. The parameter is not a resource of the stack, because a rollback could delete it early.

A deny must stay on the role for as long as a policy that it guards. CloudFormation deletes them in this order. But
after an update it skips a resource that it failed to delete three times, so the deny checks the others first.
https://repost.aws/knowledge-center/cloudformation-stack-cleanup-stuck
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from custom_resource import custom_resource
from iam_propagation import PermissionWait, waits_for_permissions

# At most 70 s per call with all attempts, so that Lambda does not stop the function during a call.
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
_iam = boto3.client("iam", config=_CONFIG)
_stacks = boto3.client("cloudformation", config=_CONFIG)
_ssm = boto3.client("ssm", config=_CONFIG)

_wait = PermissionWait()

_SEPARATOR = "|"


class NotAttachedError(Exception):
    """The policy cannot be attached to the role."""


class StillGuardingError(Exception):
    """The deny must stay, because a policy that it guards was not detached."""


@waits_for_permissions(_iam, _stacks, _ssm, wait=_wait)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Attach the policy unless the role has it, or detach it if this resource attached it.

    Properties: ``RoleName``; ``PolicyArn``; ``RecordParameter``, the name of the SSM parameter; for a deny ``Guarded``,
    the logical ids of the policies that it guards.

    Raises:
        NotAttachedError: the role does not exist, or has the maximum number of policies.
        StillGuardingError: CloudFormation failed to delete a policy that this one guards.
    """
    return {"PhysicalResourceId": _handle(event)}


handler = custom_resource(on_event)


def _handle(event: Mapping[str, Any]) -> str:
    properties = event["ResourceProperties"]
    role, policy_arn, record = properties["RoleName"], properties["PolicyArn"], properties["RecordParameter"]
    ours = _physical_id(role, policy_arn)
    physical_id = str(event.get("PhysicalResourceId"))
    if event["RequestType"] == "Delete":
        if physical_id == ours:
            _check_guards_nothing(event)
            _detach(role, policy_arn, record)
        return physical_id
    already_there = _physical_id(role, policy_arn, already_there=True)
    if physical_id == already_there:
        return physical_id
    is_attached = policy_arn in _attached(role)
    if physical_id != ours and _recorded(record) != policy_arn:
        if is_attached:
            return already_there
        _ssm.put_parameter(
            Name=record,
            Description=f"A policy that Amplify PubSub attaches to role {role}, and detaches again",
            Value=policy_arn,
            Type="String",
            Overwrite=True,
        )
    if not is_attached:
        _attach(role, policy_arn, record)
    return ours


def _physical_id(role: str, policy_arn: str, *, already_there: bool = False) -> str:
    return _SEPARATOR.join([role, policy_arn, *(["already-there"] if already_there else [])])


def _attach(role: str, policy_arn: str, record: str) -> None:
    try:
        _attach_when_found(role, policy_arn)
    except Exception:
        # The policy may be attached despite the error, and there is no Delete request after a failed Create.
        with suppress(BotoCoreError, ClientError):
            _detach(role, policy_arn, record)
        raise


def _attach_when_found(role: str, policy_arn: str) -> None:
    while True:
        try:
            _iam.attach_role_policy(RoleName=role, PolicyArn=policy_arn)
        except _iam.exceptions.NoSuchEntityException as error:
            if not _wait.pause():  # a new policy or role may not be found yet
                raise NotAttachedError(f"policy {policy_arn} or role {role} does not exist") from error
        except _iam.exceptions.LimitExceededException as error:
            raise NotAttachedError(
                f"role {role} has the maximum number of managed policies, so {policy_arn} cannot be attached: detach "
                "one, or request a higher quota (managed policies per role)"
            ) from error
        else:
            return


def _attached(role: str) -> set[str]:
    while True:
        try:
            pages = [*_iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)]
        except _iam.exceptions.NoSuchEntityException:
            if _wait.pause():  # a new role may not be found yet
                continue
            raise NotAttachedError(
                f"role {role} does not exist: check adopt.authRoleArn and adopt.groupRoleArns"
            ) from None
        return {each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _check_guards_nothing(event: Mapping[str, Any]) -> None:
    """Check that no guarded policy is left; CloudFormation continues even if it failed to delete one."""
    for logical_id in event["ResourceProperties"].get("Guarded", []):
        try:
            found = _stacks.describe_stack_resource(StackName=event["StackId"], LogicalResourceId=logical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            continue  # no longer in the stack
        if found["StackResourceDetail"]["ResourceStatus"] in ("DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_SKIPPED"):
            raise StillGuardingError(
                f"the deny stays on role {event['ResourceProperties']['RoleName']}, because resource {logical_id} was "
                "not deleted: detach its policy from the role, and the deny afterwards"
            )


def _detach(role: str, policy_arn: str, record: str) -> None:
    with suppress(_iam.exceptions.NoSuchEntityException):  # the role was deleted, or the policy detached already
        _iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn)
    if _recorded(record) == policy_arn:  # not if another policy has replaced it
        _ssm.delete_parameter(Name=record)


def _recorded(record: str) -> str | None:
    """Return the ARN of the recorded policy."""
    try:
        return _ssm.get_parameter(Name=record)["Parameter"]["Value"]
    except _ssm.exceptions.ParameterNotFound:
        return None
