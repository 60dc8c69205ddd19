"""Checks of the roles of signed-in users: managed policies, control-plane guard and trust policy."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.app_clients import IdentityPoolAcceptsTokens, provider_name
from pubsub_cli.checks.check import BlockingCheck, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.role_mapping import MappingGivesARole, own_groups, read_pool_roles
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, not_applicable, passed, unknown
from pubsub_cli.iam.request import signed_in_context
from pubsub_cli.iam.roles import attached_policies, role_name, trust_policy, unknown_trust_conditions, why_not_trusted
from pubsub_cli.stack import BOUNDARY, CONTROL_PLANE_DENY, RESTORE
from pubsub_client.outputs import MANAGED_POLICIES, Output

_CONFIG_ACCESS = "AWSIoTConfigAccess"
_LEAST_PRIVILEGE = "accessMode least-privilege has no managed policies: PS306 checks what the role allows"


class RolesAreGuarded(BlockingCheck):
    """AWSIoTConfigAccess allows about 150 control-plane actions. Without the guard, a permissions boundary or a deny
    policy, every signed-in user can change the IoT policy for all users.

    In access mode `least-privilege` only roles with AWSIoTConfigAccess need it. Not applicable in access mode
    `unguarded`.
    """

    id = "PS308"
    group = Group.AUTHORIZATION
    title = "each role has the control-plane guard"
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        if context.output(Output.ACCESS_MODE) == "unguarded":
            return not_applicable("accessMode unguarded has no guard")
        context.group_roles = _group_roles(context)
        boundary, deny = context.find_resource(BOUNDARY), context.find_resource(CONTROL_PLANE_DENY)
        if not context.own_topics and not boundary and not deny:
            cause = f"The stack {context.stack} has no control-plane guard."
            return failed(cause, resource=context.stack, fix=RESTORE)
        auth_role = role_name(context.output(Output.AUTH_ROLE_ARN))
        groups = {role_name(arn): f"The role of group {name}" for name, arn in context.group_roles.items()}
        checked = []
        for name, who in {auth_role: "AuthRole", **groups}.items():
            try:
                problem = _guard_problem(context, name, boundary, deny)
            except context.aws.iam.exceptions.NoSuchEntityException:
                continue  # reported by PS303 and PS304
            if problem:
                lacks, fix = problem
                return failed(
                    f"{who} {lacks}: {_CONFIG_ACCESS} might let every signed-in user change the IoT policy for all "
                    "users.",
                    resource=name,
                    fix=fix,
                )
            checked.append(name)
        if not checked:
            return not_applicable("no role exists: PS304 checks the role that the identity pool gives")
        guard = (
            f"boundary {role_name(boundary)}" if boundary else f"deny {role_name(deny)}" if deny else "no control plane"
        )
        return passed(f"{guard}: {', '.join(checked)}")


def _guard_problem(
    context: Context, name: str, boundary: str | None, deny: str | None
) -> tuple[str, AwsCommand] | None:
    """Return what is wrong with a role's guard, as the end of a sentence, and the fix; None if it is guarded."""
    attached = attached_policies(context.aws.iam, name)
    denied = any(CONTROL_PLANE_DENY.construct_id in each for each in attached)
    if context.own_topics:
        control_plane = attached.get(_CONFIG_ACCESS)
        if control_plane is None or denied:
            return None
        detach = AwsCommand("iam", "DetachRolePolicy", {"RoleName": name, "PolicyArn": control_plane})
        return f"holds {_CONFIG_ACCESS}, which accessMode least-privilege does not include", detach
    if boundary is None:
        if deny is None or deny in attached.values():
            return None
        return f"lacks {role_name(deny)}", _attach(name, deny)
    role = context.aws.iam.get_role(RoleName=name)["Role"]
    current = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if current == boundary:
        return None
    parameters = {"RoleName": name, "PermissionsBoundary": boundary}
    put = AwsCommand("iam", "PutRolePermissionsBoundary", parameters, safe=current is None)
    return f"has {current or 'no policy'} as its permissions boundary, not the stack's", put


def _attach(name: str, policy_arn: str) -> AwsCommand:
    return AwsCommand("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": policy_arn}, safe=True)


class RoleHoldsThePolicies(BlockingCheck):
    """AWS IoT allows only what both the role and the IoT policy allow, so AuthRole must hold both managed policies. In
    access mode `least-privilege` PS306 checks the permissions instead.
    """

    id = "PS301"
    group = Group.AUTHORIZATION
    title = "AuthRole holds the access mode's policies"
    # The fix attaches AWSIoTConfigAccess, so the guard must be in place.
    depends_on = (OutputsAreComplete, RolesAreGuarded)

    def examine(self, context: Context) -> Finding:
        if context.own_topics:
            return not_applicable(_LEAST_PRIVILEGE)
        name = role_name(context.output(Output.AUTH_ROLE_ARN))
        try:
            missing = _missing_policies(context, name, "AuthRole")
        except context.aws.iam.exceptions.NoSuchEntityException:
            return not_applicable("AuthRole does not exist: PS304 checks the role that the identity pool gives")
        return missing or passed(" and ".join(MANAGED_POLICIES))


class GroupRolesHoldThePolicies(BlockingCheck):
    """Users of a group get its role instead of AuthRole. Groups count only if the identity pool chooses roles by group,
    and the role trusts this pool. Not applicable in access mode `least-privilege`.
    """

    id = "PS303"
    group = Group.AUTHORIZATION
    title = "each group's role holds the access mode's policies"
    depends_on = (OutputsAreComplete, IdentityPoolAcceptsTokens, RolesAreGuarded)

    def examine(self, context: Context) -> Finding:
        context.group_roles = _group_roles(context)
        for group, role_arn in context.group_roles.items():
            name, who = role_name(role_arn), f"The role of group {group}"
            try:
                missing = _missing_policies(context, name, who)
            except context.aws.iam.exceptions.NoSuchEntityException:
                user_pool_id = context.output(Output.USER_POOL_ID)
                return failed(
                    f"{who} does not exist, so users of the group get no AWS credentials.",
                    resource=name,
                    fix=[
                        "Add the group to the setting groups and deploy again. Or delete it if it is not needed:",
                        AwsCommand("cognito-idp", "DeleteGroup", {"UserPoolId": user_pool_id, "GroupName": group}),
                    ],
                )
            if missing:
                return missing
        if context.own_topics:
            return not_applicable(_LEAST_PRIVILEGE)
        if not context.group_roles:
            return not_applicable("no user gets a group's role")
        return passed(", ".join(context.group_roles))


def _group_roles(context: Context) -> dict[str, str]:
    """Return the ARNs of the roles that users get from their groups, by the groups' names."""
    try:
        mapping = read_pool_roles(context).mapping
    except context.aws.identity_pools.exceptions.ResourceNotFoundException:
        return {}  # reported by PS115
    if mapping is None or mapping["Type"] != "Token":
        return {}
    return {each["GroupName"]: each["RoleArn"] for each in own_groups(context)}


def _missing_policies(context: Context, name: str, who: str) -> Finding | None:
    attached = attached_policies(context.aws.iam, name)
    missing = [policy for policy in MANAGED_POLICIES if policy not in attached]
    if context.own_topics or not missing:
        return None
    partition = context.output(Output.AUTH_ROLE_ARN).split(":")[1]
    return failed(
        f"{who} lacks {' and '.join(missing)}: AWS IoT allows a signed-in user only what both the role and the IoT "
        "policy allow.",
        resource=name,
        fix=[_attach(name, f"arn:{partition}:iam::aws:policy/{policy}") for policy in missing],
    )


class RoleTrustsThePool(BlockingCheck):
    """A trust policy names Cognito, the identity pool (`aud`), and whether its users have signed in (`amr`). If it
    names another pool, or guests, the identity pool gives no credentials. If the identity pool gives users principal
    tags (attributes for access control), the trust policy must also allow `sts:TagSession`. If a condition on an
    unknown value decides, the result is unknown.
    """

    id = "PS305"
    group = Group.AUTHORIZATION
    title = "the role trusts the identity pool's signed-in users"
    depends_on = (MappingGivesARole,)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        region, pool_id = context.output(Output.REGION), context.output(Output.IDENTITY_POOL_ID)
        user_pool_id = context.output(Output.USER_POOL_ID)
        users = signed_in_context(region, pool_id, user_pool_id=user_pool_id, identity_id=context.known_identity_id)
        tags = _has_principal_tags(context)
        with_tags = bool(tags)
        deployed = trust_policy(region, pool_id, with_tags=with_tags)
        (statement,) = deployed["Statement"]
        undecided = None
        for role in context.roles:
            name = role_name(role.arn)
            document: Any = context.aws.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            if why := why_not_trusted(document, region, users, with_tags=with_tags):
                fix: Fix = (
                    f"Add this statement to the trust policy of {name}, and remove any that denies it: "
                    f"{json.dumps(statement, separators=(',', ':'))}"
                )
                if role.arn == context.outputs.get(Output.AUTH_ROLE_ARN):  # other roles may trust other services too
                    document = json.dumps(deployed, separators=(",", ":"))
                    parameters = {"RoleName": name, "PolicyDocument": document}
                    fix = AwsCommand("iam", "UpdateAssumeRolePolicy", parameters, safe=True)
                return failed(
                    f"{role.who} ({name}) does not trust the signed-in users of identity pool {pool_id}: its trust "
                    f"policy {why}. So users get no AWS credentials.",
                    resource=role.arn,
                    fix=fix,
                )
            if keys := unknown_trust_conditions(document, region, users, with_tags=with_tags):
                undecided = unknown(
                    f"It is unknown whether {role.within_sentence} ({name}) trusts the signed-in users of "
                    f"identity pool {pool_id}: its trust policy has a condition on {', '.join(keys)}, and the value is "
                    "not known.",
                    resource=role.arn,
                    fix=f"Check that the condition in the trust policy of {name} is met when Cognito assumes it.",
                    blocks=False,
                )
        unread = ["without sts:TagSession, because the principal tags are not readable"] if tags is None else []
        return undecided or passed(", ".join([*(role_name(role.arn) for role in context.roles), *unread]))


def _has_principal_tags(context: Context) -> bool | None:
    """Return whether the identity pool gives users of the user pool principal tags; None if that cannot be read.

    The default mapping gives the tags username and client.
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetPrincipalTagAttributeMap.html
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_SetPrincipalTagAttributeMap.html
    """
    pools = context.aws.identity_pools
    try:
        found = pools.get_principal_tag_attribute_map(
            IdentityPoolId=context.output(Output.IDENTITY_POOL_ID), IdentityProviderName=provider_name(context)
        )
    except pools.exceptions.ResourceNotFoundException:
        return False
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return None
    return bool(found.get("PrincipalTags") or found.get("UseDefaults"))
