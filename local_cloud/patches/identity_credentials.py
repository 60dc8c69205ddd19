"""Identity pools check logins, roles and tokens before they issue credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy
from ministack.core.responses import error_response_json, get_region
from ministack.services import cognito, iam, sts


def install() -> None:
    """Install each part."""
    _require_login()
    _require_trust()
    _check_tokens()


Operation = Callable[[dict[str, Any]], Any]


def _require_login() -> None:
    """Reject requests without a login if the identity pool's guest access is off. ministack accepts them.

    https://docs.aws.amazon.com/cognito/latest/developerguide/identity-pools.html
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_CreateIdentityPool.html
    """
    cognito._get_id = _requiring_login(cognito._get_id)
    cognito._get_credentials_for_identity = _requiring_login(cognito._get_credentials_for_identity)
    cognito._get_open_id_token = _requiring_login(cognito._get_open_id_token)


def _requiring_login(operation: Operation) -> Operation:
    def with_login(data: dict[str, Any]) -> Any:
        pool = identity_pool(data)
        if pool and not data.get("Logins") and not pool["AllowUnauthenticatedIdentities"]:
            return error_response_json(
                "NotAuthorizedException",
                "Unauthenticated access is not supported for this identity pool.",
                400,
            )
        return operation(data)

    return with_login


def identity_pool(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the identity pool of a request's pool id or identity id."""
    for pool_id, pool in cognito._identity_pools.items():
        if pool_id == data.get("IdentityPoolId") or data.get("IdentityId") in pool["_identities"]:
            found: dict[str, Any] = pool
            return found
    return None


_SERVICE = "cognito-identity.amazonaws.com"


def _require_trust() -> None:
    """Issue credentials only of a role that exists and trusts the identity. ministack does not check the role.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
    """
    get_credentials = cognito._get_credentials_for_identity

    def get_credentials_for_identity(data: dict[str, Any]) -> Any:
        answer = get_credentials(data)
        if answer[0] != 200:
            return answer
        access_key_id = json.loads(answer[2])["Credentials"]["AccessKeyId"]
        if _is_trusted(sts._sessions[access_key_id]):
            return answer
        del sts._sessions[access_key_id]
        return error_response_json(
            "InvalidIdentityPoolConfigurationException",
            "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
            400,
        )

    cognito._get_credentials_for_identity = get_credentials_for_identity


def _is_trusted(session: dict[str, Any]) -> bool:
    """Return whether the role of a session trusts the session's identity."""
    role_name = session["Arn"].split("/")[1]
    role = iam._roles.get(role_name)
    if role is None:
        return False
    context = EvalContext(
        principal_arn=_SERVICE,
        principal_type="WebIdentityUser",
        principal_account=session["AccountId"],
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn=role["Arn"],
        region=get_region(),
        service_context={
            f"{_SERVICE}:aud": session["_identity_pool_id"],
            f"{_SERVICE}:sub": session["_identity_id"],
            f"{_SERVICE}:amr": session["_cognito_amr"],
        },
    )
    return bool(evaluate_trust_policy(role["AssumeRolePolicyDocument"], _SERVICE, context))


def _check_tokens() -> None:
    """Reject tokens of users who are signed out everywhere, disabled or deleted, if ``ServerSideTokenCheck`` is on.

    ministack ignores this setting of an identity pool's app client.
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_CognitoIdentityProvider.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminDisableUser.html
    """
    cognito._get_credentials_for_identity = _checked(cognito._get_credentials_for_identity)
    cognito._get_open_id_token = _checked(cognito._get_open_id_token)


def _checked(operation: Operation) -> Operation:
    def with_check(data: dict[str, Any]) -> Any:
        pool = identity_pool(data)
        logins = data.get("Logins") or {}
        if pool and any(_is_revoked(pool, provider, token) for provider, token in logins.items()):
            return error_response_json("NotAuthorizedException", "Invalid login token. Token is revoked.", 400)
        return operation(data)

    return with_check


def _is_revoked(identity_pool: dict[str, Any], provider: str, token: str) -> bool:
    claims = cognito._token_claims(token)
    checks = (
        each.get("ServerSideTokenCheck")
        for each in identity_pool.get("CognitoIdentityProviders") or []
        if each.get("ProviderName") == provider and each.get("ClientId") == claims.get("aud")
    )
    if not any(checks):
        return False
    users = (cognito._user_pools.get(provider.rpartition("/")[2]) or {}).get("_users", {})
    user = users.get(claims.get("cognito:username"))
    if user is None or not user.get("Enabled", True):
        return True
    return claims.get("origin_jti") in cognito._revoked_tokens
