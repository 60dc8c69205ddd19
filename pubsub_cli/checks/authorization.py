"""Checks of the roles and the AWS credentials of signed-in users."""

from __future__ import annotations

import asyncio

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.identity import SIGN_IN_AGAIN, IdentityIsGiven
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import IdentityPoolTakesTokens
from pubsub_cli.checks.role import look_at_role
from pubsub_cli.checks.role_trust import RoleTrustsThePool
from pubsub_cli.checks.roles_in_use import groups_with_role, read_pool_roles
from pubsub_cli.finding import Finding, Status, failed, passed
from pubsub_cli.iam.roles import role_name
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output


class RoleHoldsThePolicies(Check):
    """The role of signed-in users holds the access mode's policies, and in guarded mode the control-plane guard.

    AWS IoT allows only what both the role and the attached policy allow. Without the guard, which is a permissions
    boundary or an equivalent deny, AWSIoTConfigAccess lets every signed-in user change the policy for everybody.
    """

    id = "PS301"
    group = Group.AUTHORIZATION
    title = "AuthRole holds the access mode's policies"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """List the role's policies."""
        role_name = context.output(Output.AUTH_ROLE_ARN).rpartition("/")[2]
        return await look_at_role(context, role_name, "AuthRole")


class GroupRolesHoldThePolicies(Check):
    """The role of each Cognito group holds the same policies and the same guard as AuthRole.

    A user of a group gets the group's role instead of AuthRole. If it lacks the policies, only these users are refused.
    Roles of groups are checked only if the identity pool chooses roles by group.
    """

    id = "PS303"
    group = Group.AUTHORIZATION
    title = "each group's role holds the access mode's policies"
    depends_on = (OutputsAreComplete, IdentityPoolTakesTokens)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """List the groups, and the policies of their roles."""
        context.group_roles = await asyncio.to_thread(_group_roles, context)
        for name, role_arn in context.group_roles.items():
            finding = await look_at_role(context, role_name(role_arn), f"The role of group {name}")
            if finding.status is not Status.PASSED:
                return finding
        return passed(", ".join(context.group_roles) or "no user gets a group's role")


def _group_roles(context: Context) -> dict[str, str]:
    """Return the role ARN of each group whose users get its role, by the group's name."""
    mapping = read_pool_roles(context).mapping
    if mapping is None or mapping["Type"] != "Token":
        return {}
    return {
        each["GroupName"]: each["RoleArn"]
        for each in groups_with_role(context.aws, context.output(Output.USER_POOL_ID))
    }


class CredentialsAreGiven(Check):
    """The identity pool gives the identity AWS credentials of the role.

    It rejects the request if the role does not trust the identity pool. An identity pool that checks tokens also
    rejects those of users who were signed out everywhere, disabled or deleted.
    """

    id = "PS302"
    group = Group.AUTHORIZATION
    title = "the identity pool gives the user AWS credentials"
    depends_on = (IdentityIsGiven, RoleTrustsThePool)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Call GetCredentialsForIdentity with the ID token."""
        try:
            credentials = await context.session.credentials()
        except SessionError as error:
            return failed(
                f"The identity pool gives the user no AWS credentials: {error}",
                resource=context.output(Output.IDENTITY_POOL_ID),
                fix=SIGN_IN_AGAIN,
            )
        end = credentials.expiration
        return passed(f"until {end:%H:%M:%S %Z}" if end else "without an expiration")
