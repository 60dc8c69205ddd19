"""An identity pool with guest access off gives no identity, token or credentials without a login.

ministack does, whatever the pool says.
https://docs.aws.amazon.com/cognito/latest/developerguide/identity-pools.html (Unauthenticated identities)
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

_OPERATIONS = ("_get_id", "_get_credentials_for_identity", "_get_open_id_token")


def install() -> None:
    """Ask for a login before ministack looks further."""
    for name in _OPERATIONS:
        setattr(cognito, name, _login_needed(getattr(cognito, name)))


def _login_needed(operation: Any) -> Any:
    def with_login(data: dict[str, Any]) -> Any:
        pool = _pool(data)
        if pool is not None and not data.get("Logins") and not pool["AllowUnauthenticatedIdentities"]:
            return error_response_json(
                "NotAuthorizedException",
                "Unauthenticated access is not supported for this identity pool.",
                400,
            )
        return operation(data)

    return with_login


def _pool(data: dict[str, Any]) -> dict[str, Any] | None:
    identity_id = data.get("IdentityId")
    for pool_id, pool in cognito._identity_pools.items():
        if pool_id == data.get("IdentityPoolId") or identity_id in pool["_identities"]:
            found: dict[str, Any] = pool
            return found
    return None
