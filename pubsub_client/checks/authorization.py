"""What may a signed-in user do, and what not?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Check, Finding, Group, failed, passed
from pubsub_client.checks.configuration import OutputsAreComplete
from pubsub_client.checks.identity import IdentityIsGiven
from pubsub_client.outputs import MANAGED_POLICIES, Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context


class RoleHoldsThePolicies(Check):
    """The role of signed-in users holds both managed policies, under its boundary.

    AWS IoT allows only what the role and the attached policy both allow. Without the boundary AWSIoTConfigAccess would
    let every signed-in user change the policy for all.
    """

    id = "PS301"
    group = Group.AUTHORIZATION
    title = "AuthRole holds both IoT managed policies, under its boundary"
    rests_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """List the role's policies."""
        role_arn = context.output(Output.AUTH_ROLE_ARN)
        role_name = role_arn.rpartition("/")[2]
        attached = await asyncio.to_thread(context.aws.iam.list_attached_role_policies, RoleName=role_name)
        held = {policy["PolicyName"] for policy in attached["AttachedPolicies"]}
        missing = [name for name in MANAGED_POLICIES if name not in held]
        partition = role_arn.split(":")[1]
        if missing:
            return failed(
                f"AuthRole lacks {' and '.join(missing)}: AWS IoT allows a signed-in user only what both the role "
                "and the IoT policy allow.",
                resource=role_name,
                fix="\n".join(
                    f"aws iam attach-role-policy --role-name {role_name} "
                    f"--policy-arn arn:{partition}:iam::aws:policy/{name}"
                    for name in missing
                ),
            )
        role = await asyncio.to_thread(context.aws.iam.get_role, RoleName=role_name)
        boundary = role["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        wanted = await asyncio.to_thread(_stack_boundary, context)
        if boundary != wanted:
            return failed(
                f"The permissions boundary of AuthRole is {boundary or 'gone'}, not the stack's: AWSIoTConfigAccess "
                "may now let every signed-in user rewrite the IoT policy for all.",
                resource=role_name,
                fix=f"aws iam put-role-permissions-boundary --role-name {role_name} --permissions-boundary {wanted}",
            )
        return passed(f"boundary {wanted.rpartition('/')[2]}")


def _stack_boundary(context: Context) -> str:
    """Return the ARN of the stack's one managed policy, which is the boundary."""
    pages = context.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=context.stack)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    (boundary,) = (each for each in resources if each["ResourceType"] == "AWS::IAM::ManagedPolicy")
    return boundary["PhysicalResourceId"]


class CredentialsAreGiven(Check):
    """The identity pool gives the identity AWS credentials of the role.

    It refuses when the role does not trust the identity pool.
    """

    id = "PS302"
    group = Group.AUTHORIZATION
    title = "the identity pool gives the user AWS credentials"
    rests_on = (IdentityIsGiven,)

    async def run(self, context: Context) -> Finding:
        """Call GetCredentialsForIdentity with the ID token."""
        credentials = await context.session.credentials()
        return passed(f"until {credentials.expiration:%H:%M:%S %Z}")
