"""Which role a signed-in user gets: that of the role mapping's choice, or the authenticated role.

https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.context import Context
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import GroupTypeTypeDef

AUTHENTICATED_ROLE = "AuthenticatedRole"
"""The resolution of a mapping by which who has no role of his own gets that of all signed-in users."""

_PREFERRED, _ROLES = "cognito:preferred_role", "cognito:roles"


@dataclass(frozen=True)
class PoolRoles:
    """What an identity pool says of roles.

    Args:
        identity_pool_id: the identity pool.
        roles: its roles by kind, ``authenticated`` among them.
        mappings: its role mappings by provider.
        provider: the provider that the front end's users log in by, as a mapping names it; None if it has no mapping.
    """

    identity_pool_id: str
    roles: Mapping[str, str]
    mappings: Mapping[str, Any]
    provider: str | None

    @property
    def authenticated(self) -> str | None:
        """The role of signed-in users without a role of their own."""
        return self.roles.get("authenticated")

    @property
    def mapping(self) -> Mapping[str, Any] | None:
        """The mapping of the front end's users."""
        return self.mappings[self.provider] if self.provider else None

    @property
    def denies(self) -> bool:
        """Whether who has no role of his own gets no credentials."""
        return self.mapping is not None and self.mapping.get("AmbiguousRoleResolution") != AUTHENTICATED_ROLE


def read_pool_roles(context: Context) -> PoolRoles:
    """Read an identity pool's roles and mappings.

    Raises:
        botocore.exceptions.ClientError: they may not be read.
    """
    pool_id = context.output(Output.IDENTITY_POOL_ID)
    answer = context.aws.identity_pools.get_identity_pool_roles(IdentityPoolId=pool_id)
    mappings = answer.get("RoleMappings", {})
    user_pool, client = context.output(Output.USER_POOL_ID), context.outputs.get(Output.USER_POOL_CLIENT_ID)
    # A mapping is of one app client, cognito-idp.<region>.amazonaws.com/<user pool>:<app client>, or of all.
    providers = (each.rpartition("/")[2].partition(":") for each in mappings)
    of_users = [pool == user_pool and client in {None, of_client or client} for pool, _, of_client in providers]
    provider = next((each for each, of_them in zip(mappings, of_users, strict=True) if of_them), None)
    return PoolRoles(pool_id, answer.get("Roles", {}), mappings, provider)


def claims_of_user(context: Context) -> Mapping[str, Any] | None:
    """Return what the ID token of the user asked about claims, or would; None if nobody is named.

    Raises:
        botocore.exceptions.ClientError: the user's groups may not be read.
    """
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


def groups_with_role(aws: Aws, user_pool_id: str) -> list[GroupTypeTypeDef]:
    """Return the groups of a user pool that have a role.

    Raises:
        botocore.exceptions.ClientError: they may not be listed.
    """
    pages = aws.user_pools.get_paginator("list_groups").paginate(UserPoolId=user_pool_id)
    return [each for page in pages for each in page["Groups"] if each.get("RoleArn")]


def mapped_role(mapping: Mapping[str, Any], claims: Mapping[str, Any]) -> str | None:
    """Return the role that a mapping gives a user of these claims; None if it is for the resolution to say.

    That is asked where there is no preferred role and there are several roles to choose from.
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_RoleMapping.html
    """
    if mapping["Type"] == "Token":
        roles = roles_of_claims(claims)
        return claims.get(_PREFERRED) or (roles[0] if len(roles) == 1 else None)
    rules = mapping.get("RulesConfiguration", {}).get("Rules", [])
    return next((str(each["RoleARN"]) for each in rules if _fits(each, claims)), None)


def roles_of_claims(claims: Mapping[str, Any]) -> list[str]:
    """Return the roles of a user's groups."""
    return list(claims.get(_ROLES, []))


def _role_claims(groups: list[GroupTypeTypeDef]) -> dict[str, Any]:
    """Return the claims about roles; none is preferred if groups with several roles come first.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-user-groups.html
    """
    with_role = [each for each in groups if each.get("RoleArn")]
    if not with_role:
        return {}
    first = min(_precedence(each) for each in with_role)
    preferred = {each["RoleArn"] for each in with_role if _precedence(each) == first}
    claims: dict[str, Any] = {_ROLES: [each["RoleArn"] for each in with_role]}
    return claims | ({_PREFERRED: preferred.pop()} if len(preferred) == 1 else {})


def _precedence(group: GroupTypeTypeDef) -> float:
    return float(group.get("Precedence", math.inf))


def _fits(rule: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Tell whether a rule is about a user of these claims.

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
