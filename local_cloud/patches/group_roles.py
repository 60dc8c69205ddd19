"""An identity gets the role that the identity pool's role mapping chooses, for example that of the user's group.

ministack always gives the authenticated role, and its ID tokens contain no roles.
https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_RoleMapping.html
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-user-groups.html
"""

from __future__ import annotations

import json
import math
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito, sts

from local_cloud.patches.identity_credentials import identity_pool

_AUTHENTICATED_ROLE = "AuthenticatedRole"


def install() -> None:
    """Add the roles to ID tokens, and issue credentials of the role that the mapping chooses."""
    make_token = cognito._fake_token
    set_roles = cognito._set_identity_pool_roles
    get_credentials = cognito._get_credentials_for_identity

    def fake_token(sub: str, pool_id: str, client_id: str, *args: Any, **details: Any) -> str:
        if details.get("groups"):
            details["user_attrs"] = (details.get("user_attrs") or {}) | _role_claims(pool_id, details["groups"])
        return str(make_token(sub, pool_id, client_id, *args, **details))

    def set_identity_pool_roles(data: dict[str, Any]) -> Any:
        """Key each mapping by its provider; CloudFormation may name the provider inside the mapping."""
        mappings = {
            mapping.get("IdentityProvider", key): {
                name: mapping[name] for name in mapping.keys() - {"IdentityProvider"}
            }
            for key, mapping in data.get("RoleMappings", {}).items()
        }
        return set_roles(data | {"RoleMappings": mappings})

    def get_credentials_for_identity(data: dict[str, Any]) -> Any:
        answer = get_credentials(data)
        mapping, claims = _mapping_and_claims(data)
        if answer[0] != 200 or mapping is None:
            return answer
        role_arn = _mapped_role(mapping, claims)
        if role_arn is None and mapping.get("AmbiguousRoleResolution") != _AUTHENTICATED_ROLE:
            return error_response_json("NotAuthorizedException", "Access to this identity's role is denied.", 400)
        if role_arn is not None:
            _assume(json.loads(answer[2])["Credentials"]["AccessKeyId"], role_arn)
        return answer

    cognito._fake_token = fake_token
    cognito._set_identity_pool_roles = set_identity_pool_roles
    cognito._get_credentials_for_identity = get_credentials_for_identity


def _role_claims(pool_id: str, group_names: list[str]) -> dict[str, Any]:
    """Return the role claims of a user's groups; no role is preferred if two have the lowest precedence."""
    groups = [cognito._user_pools[pool_id]["_groups"].get(name, {}) for name in group_names]
    with_role = [group for group in groups if group.get("RoleArn")]
    if not with_role:
        return {}
    first = min(_precedence(group) for group in with_role)
    preferred = {group["RoleArn"] for group in with_role if _precedence(group) == first}
    claims: dict[str, Any] = {"cognito:roles": [group["RoleArn"] for group in with_role]}
    return claims | ({"cognito:preferred_role": preferred.pop()} if len(preferred) == 1 else {})


def _precedence(group: dict[str, Any]) -> float:
    precedence = group.get("Precedence")
    return math.inf if precedence is None else float(precedence)


def _mapping_and_claims(data: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the role mapping for a request's login, and the claims of its token."""
    mappings: dict[str, dict[str, Any]] = (identity_pool(data) or {}).get("_role_mappings", {})
    for provider, token in (data.get("Logins") or {}).items():
        claims = cognito._token_claims(token)
        mapping = mappings.get(f"{provider}:{claims.get('aud')}") or mappings.get(provider)
        if mapping:
            return mapping, claims
    return None, {}


def _mapped_role(mapping: dict[str, Any], claims: dict[str, Any]) -> str | None:
    if mapping["Type"] == "Token":
        return claims.get("cognito:preferred_role")
    rules = mapping.get("RulesConfiguration", {}).get("Rules", [])
    return next((str(rule["RoleARN"]) for rule in rules if _matches(rule, claims)), None)


def _matches(rule: dict[str, Any], claims: dict[str, Any]) -> bool:
    if rule["Claim"] not in claims:
        return False
    claimed, value = claims[rule["Claim"]], rule["Value"]
    text = claimed if isinstance(claimed, str) else json.dumps(claimed)
    match rule["MatchType"]:
        case "Equals":
            return bool(text == value)
        case "NotEqual":
            return bool(text != value)
        case "StartsWith":
            return text.startswith(value)
    return value in text


def _assume(access_key_id: str, role_arn: str) -> None:
    """Make the credentials those of another role."""
    account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    session = sts._sessions[access_key_id]
    session["Arn"] = f"arn:aws:sts::{account}:assumed-role/{role_name}/CognitoIdentityCredentials"
