"""Custom resource beside a role of somebody else's: attaches one managed policy to it, and detaches it afterwards.

A policy that the role held before is not attached, and stays. The physical id says which it was. So it changes with the
policy or the role, and CloudFormation deletes the old one once the new one is attached.

A deny stays on the role as long as a policy that it guards. CloudFormation deletes them in that order; but after an
update it skips what it fails to delete three times and goes on, so the deny asks what has become of the others.
https://repost.aws/knowledge-center/cloudformation-stack-cleanup-stuck
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from custom_resource import custom_resource
from iam_propagation import PermissionWait, waits_for_permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

# At most 70 s a call with all its attempts, so that the function is not stopped in the middle of one.
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
_iam = boto3.client("iam", config=_CONFIG)
_stacks = boto3.client("cloudformation", config=_CONFIG)

_wait = PermissionWait()

_SEPARATOR = "|"

# CDK's provider framework asks again if it gets no answer. What was attached the first time would then look as if the
# role had held it before, and would never be detached.
_answered: dict[str, str] = {}
"""The physical id that each request was answered with, by its ``RequestId``."""


class NotAttachedError(Exception):
    """The role cannot be given the policy; the message says why, and what to do."""


class StillGuardingError(Exception):
    """A policy that this one guards was not detached, so this one stays; the message says which, and what to do."""


@waits_for_permissions(_iam, _stacks, wait=_wait)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Attach the policy unless the role holds it, or detach it if it was attached here.

    Properties: ``RoleName``; ``PolicyArn``; ``Guarded``, of a deny the logical ids of the policies that it guards.

    Raises:
        NotAttachedError: the role does not exist, or holds as many policies as it may.
        StillGuardingError: CloudFormation has failed to delete a policy that this one guards.
        botocore.exceptions.ClientError: IAM refuses.
    """
    request_id = event["RequestId"]
    if request_id not in _answered:
        _answered[request_id] = _answer(event)
    return {"PhysicalResourceId": _answered[request_id]}


handler = custom_resource(on_event)


def _answer(event: Mapping[str, Any]) -> str:
    """Do what is asked for, and return the physical id."""
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
    # An update of a policy attached here attaches it again if somebody has detached it.
    attached = _attach(role, policy_arn)
    return ours if attached or physical_id == ours else already_there


def _physical_id(role: str, policy_arn: str, *, already_there: bool = False) -> str:
    return _SEPARATOR.join([role, policy_arn, *(["already-there"] if already_there else [])])


def _attach(role: str, policy_arn: str) -> bool:
    """Attach the policy; return False if the role holds it already."""
    if policy_arn in _attached(role):
        return False
    while True:
        try:
            _iam.attach_role_policy(RoleName=role, PolicyArn=policy_arn)
        except _iam.exceptions.NoSuchEntityException as error:
            if not _wait.pause():  # a policy or a role that was only just made may not be found yet
                raise NotAttachedError(f"there is no policy {policy_arn}, or no role {role} any more") from error
        except _iam.exceptions.LimitExceededException as error:
            raise NotAttachedError(
                f"role {role} holds as many managed policies as it may, and {policy_arn} has no room: detach one, or "
                "have the quota raised (managed policies per role)"
            ) from error
        except (BotoCoreError, ClientError):
            # It may be attached all the same, and CloudFormation never deletes what it failed to create.
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
            if _wait.pause():  # a role that was only just made may not be found yet
                continue
            raise NotAttachedError(
                f"there is no role {role}: look at adopt.authRoleArn and adopt.groupRoleArns"
            ) from None
        return {each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _check_guards_nothing(event: Mapping[str, Any]) -> None:
    """Check that CloudFormation has not failed to delete a guarded policy, for it goes on with this one then."""
    for logical_id in event["ResourceProperties"].get("Guarded", []):
        try:
            found = _stacks.describe_stack_resource(StackName=event["StackId"], LogicalResourceId=logical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            continue  # it is no longer in the stack
        if found["StackResourceDetail"]["ResourceStatus"] in ("DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_SKIPPED"):
            raise StillGuardingError(
                f"the deny stays on role {event['ResourceProperties']['RoleName']}, because resource {logical_id} was "
                "not deleted: detach its policy from the role, and the deny afterwards"
            )


def _detach(role: str, policy_arn: str) -> None:
    try:
        _iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn)
    except _iam.exceptions.NoSuchEntityException:
        return  # the role has gone, or somebody was faster
