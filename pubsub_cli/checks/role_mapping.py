"""The check of the role that the identity pool gives a signed-in user.

https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.app_clients import IdentityPoolAcceptsTokens
from pubsub_cli.checks.check import BlockingCheck, Group
from pubsub_cli.checks.context import Context, RoleInUse
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.sign_in import UserCanSignIn
from pubsub_cli.cognito_updates import update_of
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, passed, warning
from pubsub_cli.iam.roles import role_name, trusted_pools
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import GroupTypeTypeDef

_AUTHENTICATED_ROLE = "AuthenticatedRole"
"""The resolution of a mapping that gives AuthRole to users for which it finds no role."""
_PREFERRED, _ROLES = "cognito:preferred_role", "cognito:roles"
_NO_CREDENTIALS = "so users get no AWS credentials."
_RESOLVE = (
    "Only if all users without exactly one role may have the role of signed-in users, change the role resolution from "
    "Deny to it (Cognito console, the identity pool, User access)."
)


@dataclass(frozen=True)
class PoolRoles:
    """The roles and role mappings of an identity pool.

    Args:
        identity_pool_id: the identity pool.
        roles: its roles by kind, such as ``authenticated``.
        mappings: its role mappings by provider.
        provider: the provider of the front end's users in the mappings; None if they have no mapping.
    """

    identity_pool_id: str
    roles: Mapping[str, str]
    mappings: Mapping[str, Any]
    provider: str | None

    @property
    def authenticated(self) -> str | None:
        """The role of signed-in users for which the mapping finds none."""
        return self.roles.get("authenticated")

    @property
    def mapping(self) -> Mapping[str, Any] | None:
        """The mapping of the front end's users."""
        return self.mappings[self.provider] if self.provider else None

    @property
    def denies(self) -> bool:
        """Whether users for which the mapping finds no role get no credentials."""
        return self.mapping is not None and self.mapping.get("AmbiguousRoleResolution") != _AUTHENTICATED_ROLE


def read_pool_roles(context: Context) -> PoolRoles:
    """Read an identity pool's roles and mappings."""
    pool_id = context.output(Output.IDENTITY_POOL_ID)
    answer = context.aws.identity_pools.get_identity_pool_roles(IdentityPoolId=pool_id)
    mappings = answer.get("RoleMappings", {})
    user_pool, client = context.output(Output.USER_POOL_ID), context.outputs.get(Output.USER_POOL_CLIENT_ID)
    for provider in mappings:
        # The name is cognito-idp.<region>.amazonaws.com/<user pool>:<app client>, or without an app client, for all.
        pool, _, of_client = provider.rpartition("/")[2].partition(":")
        if pool == user_pool and client in {None, of_client or client}:
            return PoolRoles(pool_id, answer.get("Roles", {}), mappings, provider)
    return PoolRoles(pool_id, answer.get("Roles", {}), mappings, None)


def groups_with_role(aws: Aws, user_pool_id: str) -> list[GroupTypeTypeDef]:
    """Return the groups of a user pool that have a role."""
    pages = aws.user_pools.get_paginator("list_groups").paginate(UserPoolId=user_pool_id)
    return [each for page in pages for each in page["Groups"] if each.get("RoleArn")]


def own_groups(context: Context) -> list[GroupTypeTypeDef]:
    """Return the groups with a role, except those of other environments: their roles trust only other pools."""
    region, pool_id = context.output(Output.REGION), context.output(Output.IDENTITY_POOL_ID)
    groups = []
    for group in groups_with_role(context.aws, context.output(Output.USER_POOL_ID)):
        document = _trust_document(context, group["RoleArn"])
        pools = trusted_pools(document, region) if document else set()
        if not pools or pool_id in pools:
            groups.append(group)
    return groups


def _trust_document(context: Context, role_arn: str) -> Mapping[str, Any] | None:
    """Return a role's trust policy; None if there is no such role."""
    iam = context.aws.iam
    try:
        document: Any = iam.get_role(RoleName=role_name(role_arn))["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return None
    return dict(document)


def _claims(context: Context) -> Mapping[str, Any] | None:
    """Return the claims of the given ID token, or those that the selected user's would have; None without a user."""
    if context.selector.id_token:
        return context.selector.id_token.claims
    user = context.pool_user
    if user is None:
        return None
    pages = context.aws.user_pools.get_paginator("admin_list_groups_for_user").paginate(
        UserPoolId=context.output(Output.USER_POOL_ID), Username=user.name
    )
    groups = [each for page in pages for each in page["Groups"]]
    claims: dict[str, Any] = {**user.attributes, "cognito:username": user.name}
    if groups:
        claims["cognito:groups"] = [each["GroupName"] for each in groups]
    return claims | _role_claims(groups)


def _role_claims(groups: list[GroupTypeTypeDef]) -> dict[str, Any]:
    """Return the claims about roles. No role is preferred if several roles have the first precedence.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-user-groups.html
    """
    with_role = [each for each in groups if each.get("RoleArn")]
    if not with_role:
        return {}
    first = min(each.get("Precedence", math.inf) for each in with_role)
    preferred = {each["RoleArn"] for each in with_role if each.get("Precedence", math.inf) == first}
    claims: dict[str, Any] = {_ROLES: [each["RoleArn"] for each in with_role]}
    return claims | ({_PREFERRED: preferred.pop()} if len(preferred) == 1 else {})


def _mapped_role(mapping: Mapping[str, Any], claims: Mapping[str, Any]) -> str | None:
    """Return the role that a mapping gives a user with these claims; None if it finds no role, or several.

    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_RoleMapping.html
    """
    if mapping["Type"] == "Token":
        roles = claims.get(_ROLES, [])
        return claims.get(_PREFERRED) or (roles[0] if len(roles) == 1 else None)
    return next((str(each["RoleARN"]) for each in _rules(mapping) if _fits(each, claims)), None)


def _rules(mapping: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rules: list[Mapping[str, Any]] = mapping.get("RulesConfiguration", {}).get("Rules", [])
    return rules


def _fits(rule: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Return whether a rule applies to a user with these claims.

    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_MappingRule.html
    """
    if rule["Claim"] not in claims:
        return False
    claim, value = claims[rule["Claim"]], rule["Value"]
    text = claim if isinstance(claim, str) else json.dumps(claim)
    match rule["MatchType"]:
        case "Equals":
            return bool(text == value)
        case "NotEqual":
            return bool(text != value)
        case "StartsWith":
            return text.startswith(value)
    return value in text


class MappingGivesARole(BlockingCheck):
    """A signed-in user gets the role of a group or a rule, or else AuthRole. If the role mapping finds no role, or
    several, its `AmbiguousRoleResolution` decides between AuthRole and no credentials. If you name a user, the check
    examines only that user's role.
    """

    id = "PS304"
    group = Group.AUTHORIZATION
    title = "the identity pool gives signed-in users a role that exists"
    depends_on = (IdentityPoolAcceptsTokens, UserCanSignIn)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        pool = read_pool_roles(context)
        claims = _claims(context)
        if not pool.authenticated and (pool.mapping is None or (claims is None and not pool.denies)):
            return failed(
                f"Identity pool {pool.identity_pool_id} has no role for signed-in users, {_NO_CREDENTIALS}",
                resource=pool.identity_pool_id,
                fix=_set_authenticated(context, pool),
            )
        if claims is not None and (denied := _denied_user(context, pool, claims)):
            return denied
        context.roles = tuple(_roles(context, pool, claims))
        for role in context.roles:
            if _trust_document(context, role.arn) is None:
                return failed(
                    f"{role.who} is {role_name(role.arn)}, which does not exist, {_NO_CREDENTIALS}",
                    resource=role.arn,
                    fix=_replace_role(context, pool, role),
                )
        if claims is None and pool.denies:
            return warning(
                f"The role mapping of identity pool {pool.identity_pool_id} finds no role, or several, for some users, "
                "and its AmbiguousRoleResolution is Deny. They get no AWS credentials.",
                resource=pool.identity_pool_id,
                fix=_resolve(context, pool, _RESOLVE),
            )
        return passed(", ".join(role_name(role.arn) for role in context.roles))


def _denied_user(context: Context, pool: PoolRoles, claims: Mapping[str, Any]) -> Finding | None:
    """Return a finding if the selected user gets no role."""
    mapping = pool.mapping
    if (mapping and _mapped_role(mapping, claims)) or (not pool.denies and pool.authenticated):
        return None
    roles = claims.get(_ROLES, [])
    if len(roles) > 1:
        why = f"the user's groups have {len(roles)} roles and none comes first: {', '.join(map(role_name, roles))}"
        remedy = "Give one of the user's groups a lower precedence number than the others"
    elif mapping and mapping["Type"] == "Token":
        why, remedy = "no group of the user has a role", "Add the user to a group with a role"
    else:
        why, remedy = "no rule applies to the user", "Add a rule that applies to the user"
    if pool.denies:
        return failed(
            f"The role mapping of identity pool {pool.identity_pool_id} denies this user: {why}, and its "
            "AmbiguousRoleResolution is Deny. The user gets no AWS credentials.",
            resource=pool.identity_pool_id,
            fix=_resolve(context, pool, f"{remedy}. {_RESOLVE}"),
        )
    return failed(
        f"Identity pool {pool.identity_pool_id} has no role for this user: {why}, and there is no role for all "
        "signed-in users. The user gets no AWS credentials.",
        resource=pool.identity_pool_id,
        fix=_set_authenticated(context, pool),
    )


def _roles(context: Context, pool: PoolRoles, claims: Mapping[str, Any] | None) -> list[RoleInUse]:
    """Return the role of the selected user; without a user, every role that signed-in users can get."""
    mapping = pool.mapping
    authenticated = (
        [RoleInUse(pool.authenticated, "The role of signed-in users")]
        if pool.authenticated and not (claims is None and pool.denies)
        else []
    )
    if mapping is None:
        return authenticated
    if claims is not None:
        role = _mapped_role(mapping, claims)
        return [RoleInUse(role, "The role that the role mapping gives this user")] if role else authenticated
    if mapping["Type"] == "Token":
        mapped = [RoleInUse(each["RoleArn"], f"The role of group {each['GroupName']}") for each in own_groups(context)]
    else:
        mapped = [
            RoleInUse(each["RoleARN"], f"The role for {each['Claim']} {each['MatchType']} {each['Value']}")
            for each in _rules(mapping)
        ]
    by_arn: dict[str, RoleInUse] = {}
    for each in (*authenticated, *mapped):
        by_arn.setdefault(each.arn, each)
    return list(by_arn.values())


def _set_authenticated(context: Context, pool: PoolRoles) -> Fix:
    """Return the command that gives an identity pool the stack's role for signed-in users."""
    own = context.outputs.get(Output.AUTH_ROLE_ARN)
    if not own:
        return (
            "Create a role with AWSIoTDataAccess that trusts the identity pool's signed-in users, and select it in the "
            "Cognito console: the identity pool, User access, Authenticated access"
        )
    return _set_roles(pool, roles={**pool.roles, "authenticated": own}, safe=True)


def _resolve(context: Context, pool: PoolRoles, advice: str) -> Fix:
    """Return the command that gives AuthRole to users for which the mapping finds no role, as deployed.

    Another deployment may intend to deny them, so it gets only advice.
    """
    if context.deployment_ids is not None:
        return advice
    resolved = {**(pool.mapping or {}), "AmbiguousRoleResolution": _AUTHENTICATED_ROLE}
    mappings = {**pool.mappings, pool.provider or "": resolved}
    return _set_roles(pool, mappings=mappings, safe=True)


def _replace_role(context: Context, pool: PoolRoles, role: RoleInUse) -> Fix:
    """Return the commands that replace a deleted role by AuthRole.

    The users of another deployment's role may be meant to have other permissions, so it gets only advice.
    """
    name, own = role_name(role.arn), context.outputs.get(Output.AUTH_ROLE_ARN)
    if role.arn == pool.authenticated:
        if own and own != role.arn:
            return _set_authenticated(context, pool)
        return f"Create the role {name} again, with AWSIoTDataAccess and trust in the identity pool's signed-in users"
    instead = pool.authenticated or own
    if not instead or context.deployment_ids is not None:
        return f"Create the role {name} again, or replace it with another role"
    if (pool.mapping or {})["Type"] == "Token":
        groups = groups_with_role(context.aws, context.output(Output.USER_POOL_ID))
        return [
            update_of(context.aws.user_pools, "UpdateGroup", dict(each), {"RoleArn": instead})
            for each in groups
            if each["RoleArn"] == role.arn
        ]
    mapping: dict[str, Any] = dict(pool.mapping or {})
    rules = [{**each, "RoleARN": instead} if each["RoleARN"] == role.arn else each for each in _rules(mapping)]
    mapping["RulesConfiguration"] = {"Rules": rules}
    return _set_roles(pool, mappings={**pool.mappings, pool.provider or "": mapping})


def _set_roles(
    pool: PoolRoles,
    *,
    roles: Mapping[str, str] | None = None,
    mappings: Mapping[str, Any] | None = None,
    safe: bool = False,
) -> AwsCommand:
    """Return the command that sets roles or mappings; it repeats the others, because AWS removes omitted ones."""
    parameters: dict[str, Any] = {"IdentityPoolId": pool.identity_pool_id, "Roles": dict(roles or pool.roles)}
    if mappings or pool.mappings:
        parameters["RoleMappings"] = dict(mappings or pool.mappings)
    return AwsCommand("cognito-identity", "SetIdentityPoolRoles", parameters, safe=safe)
