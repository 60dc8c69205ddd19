"""Does the identity pool give each signed-in user one role, and is it there?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context, RoleInUse
from pubsub_cli.checks.provisioning import IdentityPoolTakesTokens
from pubsub_cli.checks.roles_in_use import (
    AUTHENTICATED_ROLE,
    PoolRoles,
    claims_of_user,
    groups_with_role,
    mapped_role,
    read_pool_roles,
    roles_of_claims,
)
from pubsub_cli.checks.sign_in import UserCanSignIn
from pubsub_cli.checks.update import update_of
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, passed, warning
from pubsub_cli.iam.roles import role_name
from pubsub_client.outputs import Output

_NO_CREDENTIALS = "so the identity pool gives no AWS credentials, and nothing can be signed for AWS IoT."


class MappingGivesARole(Check):
    """The identity pool gives signed-in users a role: that of their group, by its role mapping, or AuthRole.

    A user for whom the mapping finds no role, or several, gets AuthRole or nothing, as its AmbiguousRoleResolution
    says. A role that was deleted stays in the mapping and in the group. Who asks about a user is told of that user's
    role alone.
    """

    id = "PS304"
    group = Group.AUTHORIZATION
    title = "the identity pool gives signed-in users a role that exists"
    depends_on = (IdentityPoolTakesTokens, UserCanSignIn)

    async def run(self, context: Context) -> Finding:
        """Read the identity pool's roles, and follow its mapping."""
        return await asyncio.to_thread(_look, context)


def _look(context: Context) -> Finding:
    pool = read_pool_roles(context)
    claims = claims_of_user(context)
    if not pool.authenticated and (pool.mapping is None or (claims is None and not pool.denies)):
        return failed(
            f"Identity pool {pool.identity_pool_id} has no role for signed-in users, {_NO_CREDENTIALS}",
            resource=pool.identity_pool_id,
            fix=_set_authenticated(context, pool),
        )
    if claims is not None and (denied := _denied(context, pool, claims)):
        return denied
    context.roles = tuple(_roles(context, pool, claims))
    for role in context.roles:
        if _is_missing(context, role.arn):
            return failed(
                f"{role.who} is {role_name(role.arn)}, which does not exist, {_NO_CREDENTIALS}",
                resource=role.arn,
                fix=_other_role(context, pool, role),
            )
    if claims is None and pool.denies:
        return warning(
            f"The role mapping of identity pool {pool.identity_pool_id} denies who has no role of a group or rule, or "
            "several: such users get no AWS credentials.",
            resource=pool.identity_pool_id,
            fix=_resolve(context, pool),
        )
    return passed(", ".join(role_name(role.arn) for role in context.roles))


def _denied(context: Context, pool: PoolRoles, claims: Mapping[str, Any]) -> Finding | None:
    """Find that the user asked about gets no role at all."""
    mapping = pool.mapping
    if mapping and mapped_role(mapping, claims):
        return None
    if not pool.denies and pool.authenticated:
        return None
    roles = roles_of_claims(claims)
    why = (
        f"the user's groups have {len(roles)} roles and none comes first: {', '.join(map(role_name, roles))}"
        if len(roles) > 1
        else "no group of the user's has a role"
        if mapping and mapping["Type"] == "Token"
        else "no rule fits the user"
    )
    if pool.denies:
        return failed(
            f"The role mapping of identity pool {pool.identity_pool_id} denies this user: {why}, and its "
            f"AmbiguousRoleResolution is Deny, {_NO_CREDENTIALS}",
            resource=pool.identity_pool_id,
            fix=_resolve(context, pool),
        )
    return failed(
        f"Identity pool {pool.identity_pool_id} has no role for this user: {why}, and it has no role for signed-in "
        f"users, {_NO_CREDENTIALS}",
        resource=pool.identity_pool_id,
        fix=_set_authenticated(context, pool),
    )


def _roles(context: Context, pool: PoolRoles, claims: Mapping[str, Any] | None) -> list[RoleInUse]:
    """Return the role of the user asked about, or each that somebody may get."""
    mapping = pool.mapping
    authenticated = (
        [RoleInUse(pool.authenticated, "The role of signed-in users")]
        if pool.authenticated and not (claims is None and pool.denies)
        else []
    )
    if mapping is None:
        return authenticated
    if claims is not None:
        mapped = mapped_role(mapping, claims)
        return [RoleInUse(mapped, "The role that the role mapping gives this user")] if mapped else authenticated
    if mapping["Type"] == "Token":
        mapped_roles = [
            RoleInUse(each["RoleArn"], f"The role of group {each['GroupName']}")
            for each in groups_with_role(context.aws, context.output(Output.USER_POOL_ID))
        ]
    else:
        rules = mapping.get("RulesConfiguration", {}).get("Rules", [])
        mapped_roles = [
            RoleInUse(each["RoleARN"], f"The role for {each['Claim']} {each['MatchType']} {each['Value']}")
            for each in rules
        ]
    by_arn = {each.arn: each for each in reversed([*authenticated, *mapped_roles])}
    return list(reversed(by_arn.values()))


def _is_missing(context: Context, role_arn: str) -> bool:
    iam = context.aws.iam
    try:
        iam.get_role(RoleName=role_name(role_arn))
    except iam.exceptions.NoSuchEntityException:
        return True
    return False


def _set_authenticated(context: Context, pool: PoolRoles) -> Fix:
    """Return what gives an identity pool the role for signed-in users that the stack has made."""
    ours = context.outputs.get(Output.AUTH_ROLE_ARN)
    if not ours:
        return (
            "Make a role that trusts the identity pool's signed-in users and holds AWSIoTDataAccess, and give it to "
            "them: Cognito console, the identity pool, User access, Authenticated access"
        )
    return _set(pool, roles={**pool.roles, "authenticated": ours}, safe=True)


def _resolve(context: Context, pool: PoolRoles) -> AwsCommand:
    """Return what gives users without a role of their own that of signed-in users, as the stack deploys it."""
    resolved = {**(pool.mapping or {}), "AmbiguousRoleResolution": AUTHENTICATED_ROLE}
    return _set(pool, mappings={**pool.mappings, pool.provider or "": resolved}, safe=context.deployment_ids is None)


def _other_role(context: Context, pool: PoolRoles, role: RoleInUse) -> Fix:
    """Return what gives users another role in place of one that is gone: that of signed-in users."""
    ours = context.outputs.get(Output.AUTH_ROLE_ARN)
    if role.arn == pool.authenticated:
        if ours and ours != role.arn:
            return _set_authenticated(context, pool)
        return (
            f"Make the role {role_name(role.arn)} again: it trusts the identity pool's signed-in users, and holds "
            "AWSIoTDataAccess"
        )
    instead = pool.authenticated or ours
    if not instead:
        return f"Make the role {role_name(role.arn)} again, or name another one in its place"
    if (pool.mapping or {})["Type"] == "Token":
        groups = [
            each
            for each in groups_with_role(context.aws, context.output(Output.USER_POOL_ID))
            if each["RoleArn"] == role.arn
        ]
        return [update_of(context.aws.user_pools, "UpdateGroup", dict(each), {"RoleArn": instead}) for each in groups]
    mapping: dict[str, Any] = dict(pool.mapping or {})
    rules = [
        {**each, "RoleARN": instead} if each["RoleARN"] == role.arn else each
        for each in mapping["RulesConfiguration"]["Rules"]
    ]
    mapping["RulesConfiguration"] = {"Rules": rules}
    return _set(pool, mappings={**pool.mappings, pool.provider or "": mapping})


def _set(
    pool: PoolRoles,
    *,
    roles: Mapping[str, str] | None = None,
    mappings: Mapping[str, Any] | None = None,
    safe: bool = False,
) -> AwsCommand:
    """Return the command that sets roles or mappings, and all that stays as it is: AWS drops what it is not given."""
    parameters: dict[str, Any] = {"IdentityPoolId": pool.identity_pool_id, "Roles": dict(roles or pool.roles)}
    if mappings or pool.mappings:
        parameters["RoleMappings"] = dict(mappings or pool.mappings)
    return AwsCommand("cognito-identity", "SetIdentityPoolRoles", parameters, safe=safe)
