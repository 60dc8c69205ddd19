"""An identity pool that checks tokens gives nothing to users who are signed out everywhere, disabled or deleted.

The check is set for each app client (``ServerSideTokenCheck``). ministack never makes it. Disabling a user revokes the
user's tokens.
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_CognitoIdentityProvider.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminDisableUser.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

NEEDS = {
    cognito: (
        "_get_credentials_for_identity",
        "_get_open_id_token",
        "_identity_pools",
        "_revoked_tokens",
        "_token_claims",
        "_user_pools",
    )
}


def install() -> None:
    """Ask the user pool before credentials or a token of the identity pool are out."""
    cognito._get_credentials_for_identity = _checked(cognito._get_credentials_for_identity)
    cognito._get_open_id_token = _checked(cognito._get_open_id_token)


def _checked(operation: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def with_check(data: dict[str, Any]) -> Any:
        pools = (pool for pool in cognito._identity_pools.values() if data.get("IdentityId") in pool["_identities"])
        pool = next(pools, None)
        logins = data.get("Logins") or {}
        if pool and any(_refused(pool, provider, token) for provider, token in logins.items()):
            return error_response_json("NotAuthorizedException", "Invalid login token. Token is revoked.", 400)
        return operation(data)

    return with_check


def _refused(identity_pool: dict[str, Any], provider: str, token: str) -> bool:
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
