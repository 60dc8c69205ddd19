"""Does a role of signed-in users hold what the guide asks for, and does the guard keep them off the control plane?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Finding, failed, passed
from pubsub_client.checks.command import AwsCommand
from pubsub_client.checks.stack_resources import stack_resources
from pubsub_client.outputs import MANAGED_POLICIES, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pubsub_client.checks.context import Context

_EXPOSED = "AWSIoTConfigAccess may now let every signed-in user rewrite the IoT policy for all."


def groups_with_roles(context: Context) -> dict[str, str]:
    """Return the ARN of the role of each group that has one, by the group's name."""
    pages = context.aws.user_pools.get_paginator("list_groups").paginate(UserPoolId=context.output(Output.USER_POOL_ID))
    groups = [group for page in pages for group in page["Groups"]]
    return {group["GroupName"]: group["RoleArn"] for group in groups if group.get("RoleArn")}


async def look_at_role(context: Context, role_name: str, who: str) -> Finding:
    """Find out whether a role holds the policies and is guarded.

    Args:
        context: the run.
        role_name: the role.
        who: what the role is, as a sentence about it begins.
    """
    try:
        attached = await asyncio.to_thread(_attached_policies, context, role_name)
    except context.aws.iam.exceptions.NoSuchEntityException:
        return failed(
            f"{who} does not exist, so the identity pool has no credentials for its users.",
            resource=role_name,
            fix="Name a group's role in the setting groups and deploy again, or delete a group no longer wanted: "
            f"aws cognito-idp delete-group --user-pool-id {context.output(Output.USER_POOL_ID)} --group-name ...",
        )
    if missing := [name for name in MANAGED_POLICIES if name not in attached]:
        partition = context.output(Output.AUTH_ROLE_ARN).split(":")[1]
        return failed(
            f"{who} lacks {' and '.join(missing)}: AWS IoT allows a signed-in user only what both the role "
            "and the IoT policy allow.",
            resource=role_name,
            fix=[_attach(role_name, f"arn:{partition}:iam::aws:policy/{name}") for name in missing],
        )
    if context.output(Output.ACCESS_MODE) == "documented":
        return passed("not guarded, as accessMode documented wants it")
    return await asyncio.to_thread(_look_at_guard, context, role_name, who, attached)


def _look_at_guard(context: Context, role_name: str, who: str, attached: Mapping[str, str]) -> Finding:
    guard = _guard(context)
    if not guard.bounds:
        if guard.arn in attached.values():
            return passed(f"deny {guard.name}")
        return failed(f"{who} lacks {guard.name}: {_EXPOSED}", resource=role_name, fix=_attach(role_name, guard.arn))
    role = context.aws.iam.get_role(RoleName=role_name)["Role"]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary == guard.arn:
        return passed(f"boundary {guard.name}")
    return failed(
        f"{who} has {boundary or 'nothing'} as its permissions boundary, not the stack's: {_EXPOSED}",
        resource=role_name,
        fix=AwsCommand(
            "iam",
            "PutRolePermissionsBoundary",
            {"RoleName": role_name, "PermissionsBoundary": guard.arn},
            safe=boundary is None,
        ),
    )


def _attached_policies(context: Context, role_name: str) -> dict[str, str]:
    """Return the ARN of each policy attached to a role, by its name."""
    pages = context.aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role_name)
    return {each["PolicyName"]: each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}


def _attach(role_name: str, policy_arn: str) -> AwsCommand:
    return AwsCommand("iam", "AttachRolePolicy", {"RoleName": role_name, "PolicyArn": policy_arn}, safe=True)


@dataclass(frozen=True)
class _Guard:
    """What keeps signed-in users off the control plane: the stack's one managed policy."""

    arn: str
    bounds: bool
    """Whether it is a permissions boundary; a policy that denies otherwise."""

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


def _guard(context: Context) -> _Guard:
    (guard,) = stack_resources(context, "AWS::IAM::ManagedPolicy")
    return _Guard(guard["PhysicalResourceId"], bounds="Boundary" in guard["LogicalResourceId"])
