"""Creates what no API can: many identities and attachments at once, for load tests, and settings unknown to the SDK.

By the API each identity needs a user who signs in.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cognito, iot


class SeedError(ValueError):
    """Something cannot be seeded; the message says why."""


def identities(document: Any) -> dict[str, Any]:
    """Create signed-in identities as GetId does, but with a login that no token has, and return their ids.

    Raises:
        SeedError: the document names no identity pool, or no provider is known.
    """
    pool_id, count = _members(document, identityPoolId=str, count=int)
    pool = cognito._identity_pools.get(pool_id)
    if pool is None:
        raise SeedError(f"identityPoolId: there is no identity pool {pool_id!r}")
    login = document.get("login") or next((each["ProviderName"] for each in pool["CognitoIdentityProviders"]), None)
    if login is None:
        raise SeedError(f"login: identity pool {pool_id!r} has no user pool; name the provider of the login")
    now = time.time()
    made = [cognito._identity_id(pool_id) for _ in range(count)]
    for identity_id in made:
        pool["_identities"][identity_id] = {
            "IdentityId": identity_id,
            "Logins": {login: ""},
            "CreationDate": now,
            "LastModifiedDate": now,
        }
    return {"identityIds": made}


def attachments(document: Any) -> dict[str, Any]:
    """Attach an IoT policy to targets as AttachPolicy does.

    Raises:
        SeedError: the document does not name a policy and targets.
    """
    policy_name, targets = _members(document, policyName=str, targets=list)
    for target in targets:
        status, _, body = iot._change_policy_target(policy_name, target, attach=True)
        if status >= 400:
            raise SeedError(f"targets: {target!r} is refused: {body.decode()}")
    return {}


def pool_setting(document: Any) -> dict[str, Any]:
    """Set a setting of a user pool or an identity pool, as if AWS had introduced it after this SDK was released.

    Describe operations return it, and an update that does not receive it resets it.

    Raises:
        SeedError: the document does not name a pool, a setting and a value.
    """
    pool_id, name = _members(document, poolId=str, name=str)
    pool = cognito._user_pools.get(pool_id) or cognito._identity_pools.get(pool_id)
    if pool is None:
        raise SeedError(f"poolId: there is no pool {pool_id!r}")
    if "value" not in document:
        raise SeedError("value: needed")
    pool[name] = document["value"]
    return {}


def _members(document: Any, **kinds: type) -> list[Any]:
    if not isinstance(document, dict):
        raise SeedError(f"body: allowed is an object with {', '.join(kinds)}")
    for name, kind in kinds.items():
        if not isinstance(document.get(name), kind):
            raise SeedError(f"{name}: needed, as {kind.__name__}")
    return [document[name] for name in kinds]
