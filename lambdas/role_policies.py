"""The custom resource that attaches one managed policy to an adopted role, and detaches it on deletion.

A policy that the role had before is not detached. The physical id records that. It also contains the policy and the
role, so a change of them replaces the resource: CloudFormation deletes the old one after the new one is attached.

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

_wait = PermissionWait()

_SEPARATOR = "|"

# Lambda can make an asynchronous invocation twice. The second one finds the policy attached, but must not take it for a
# policy that the role had before.
_physical_ids: dict[str, str] = {}
"""The physical id that each request got, by ``RequestId``."""


class NotAttachedError(Exception):
    """The policy cannot be attached to the role."""


class StillGuardingError(Exception):
    """The deny must stay, because a policy that it guards was not detached."""


@waits_for_permissions(_iam, _stacks, wait=_wait)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Attach the policy unless the role has it, or detach it if this resource attached it.

    Properties: ``RoleName``; ``PolicyArn``; for a deny ``Guarded``, the logical ids of the policies that it guards.

    Raises:
        NotAttachedError: the role does not exist, or has the maximum number of policies.
        StillGuardingError: CloudFormation failed to delete a policy that this one guards.
        botocore.exceptions.ClientError: IAM refused.
    """
    request_id = event["RequestId"]
    if request_id not in _physical_ids:
        _physical_ids[request_id] = _handle(event)
    return {"PhysicalResourceId": _physical_ids[request_id]}


handler = custom_resource(on_event)


def _handle(event: Mapping[str, Any]) -> str:
    role, policy_arn = event["ResourceProperties"]["RoleName"], event["ResourceProperties"]["PolicyArn"]
    ours = _physical_id(role, policy_arn)
    physical_id = str(event.get("PhysicalResourceId"))
    if event["RequestType"] == "Delete":
        if physical_id == ours:
            _check_guards_nothing(event)
            _detach(role, policy_arn)
        return physical_id
    already_there = _physical_id(role, policy_arn, already_there=True)
    if physical_id == already_there:
        return physical_id
    # An update attaches the policy again if something else has detached it.
    attached = _attach(role, policy_arn)
    return ours if attached or physical_id == ours else already_there


def _physical_id(role: str, policy_arn: str, *, already_there: bool = False) -> str:
    return _SEPARATOR.join([role, policy_arn, *(["already-there"] if already_there else [])])


def _attach(role: str, policy_arn: str) -> bool:
    """Attach the policy; return False if the role has it already."""
    if policy_arn in _attached(role):
        return False
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
        except (BotoCoreError, ClientError):
            # The policy may be attached despite the error, and there is no Delete request after a failed Create.
            with suppress(BotoCoreError, ClientError):
                _detach(role, policy_arn)
            raise
        else:
            return True


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


def _detach(role: str, policy_arn: str) -> None:
    try:
        _iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn)
    except _iam.exceptions.NoSuchEntityException:
        return  # the role was deleted, or the policy detached already
