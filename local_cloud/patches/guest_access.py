"""An identity pool with guest access off gives no identity, token or credentials without a login.

ministack does, whatever the pool says.
https://docs.aws.amazon.com/cognito/latest/developerguide/identity-pools.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_CreateIdentityPool.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

NEEDS = {cognito: ("_get_id", "_get_credentials_for_identity", "_get_open_id_token", "_identity_pools")}

Operation = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Ask for a login before ministack looks further."""
    cognito._get_id = _login_needed(cognito._get_id)
    cognito._get_credentials_for_identity = _login_needed(cognito._get_credentials_for_identity)
    cognito._get_open_id_token = _login_needed(cognito._get_open_id_token)


def _login_needed(operation: Operation) -> Operation:
    def with_login(data: dict[str, Any]) -> Any:
        pool = _identity_pool(data)
        if pool and not data.get("Logins") and not pool["AllowUnauthenticatedIdentities"]:
            return error_response_json(
                "NotAuthorizedException",
                "Unauthenticated access is not supported for this identity pool.",
                400,
            )
        return operation(data)

    return with_login


def _identity_pool(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the identity pool that a request names, or the one that its identity id belongs to."""
    for pool_id, pool in cognito._identity_pools.items():
        if pool_id == data.get("IdentityPoolId") or data.get("IdentityId") in pool["_identities"]:
            found: dict[str, Any] = pool
            return found
    return None
