"""Custom resource beside a role of somebody else's: attaches managed policies to it, and takes away what it attached.

What it has attached is remembered in the resource's physical id; a policy that was there before stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_iam = boto3.client("iam", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

_SEPARATOR = "|"


class NotAttachedError(Exception):
    """The role cannot be given its policies; the message says why, and what to do."""


def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Attach the policies that the role lacks, or take away those that were attached here.

    Properties: ``RoleName``; ``PolicyArns``, a list.

    Raises:
        NotAttachedError: the role is not there, or holds as many policies as it may.
        botocore.exceptions.ClientError: IAM refuses.
    """
    properties = event["ResourceProperties"]
    role = properties["RoleName"]
    if event["RequestType"] == "Create":
        return {"PhysicalResourceId": _remember(role, _attach(role, properties["PolicyArns"]))}
    ours = _remembered(event["PhysicalResourceId"])
    if event["RequestType"] == "Delete":
        _detach(role, ours)
    else:  # what somebody has detached meanwhile
        _attach(role, ours)
    return {"PhysicalResourceId": event["PhysicalResourceId"]}


def _attach(role: str, policy_arns: Iterable[str]) -> list[str]:
    """Attach what is not attached yet, all of it or nothing, and return that."""
    there = _attached(role)
    attached: list[str] = []
    for policy_arn in policy_arns:
        if policy_arn in there:
            continue
        try:
            _iam.attach_role_policy(RoleName=role, PolicyArn=policy_arn)
        except _iam.exceptions.LimitExceededException as error:
            _detach(role, attached)
            raise NotAttachedError(
                f"role {role} holds as many managed policies as it may, and {policy_arn} has no room: detach one, or "
                "have the quota raised (managed policies per role)"
            ) from error
        except Exception:
            # CloudFormation never deletes what it failed to create, so nobody else would take these away.
            _detach(role, attached)
            raise
        attached.append(policy_arn)
    return attached


def _attached(role: str) -> set[str]:
    try:
        pages = [*_iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)]
    except _iam.exceptions.NoSuchEntityException:
        raise NotAttachedError(f"there is no role {role}: look at adopt.authRoleArn and adopt.groupRoleArns") from None
    return {each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _detach(role: str, policy_arns: Iterable[str]) -> None:
    for policy_arn in policy_arns:
        try:
            _iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn)
        except _iam.exceptions.NoSuchEntityException:
            continue  # the role has gone, or somebody was faster


def _remember(role: str, policy_arns: Iterable[str]) -> str:
    return _SEPARATOR.join([role, *policy_arns])


def _remembered(physical_id: str) -> list[str]:
    _role, *policy_arns = physical_id.split(_SEPARATOR)
    return policy_arns
