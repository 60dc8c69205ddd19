"""Creates many identities and attachments for load tests, faster than the APIs."""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cognito, iot


class SeedError(ValueError):
    """The request is not valid; the message gives the reason."""


def identities(document: Any) -> dict[str, Any]:
    """Create identities with a login and return their ids.

    Raises:
        SeedError: the identity pool does not exist, or its login provider is not known.
    """
    pool_id, count = _members(document, identityPoolId=str, count=int)
    pool = cognito._identity_pools.get(pool_id)
    if pool is None:
        raise SeedError(f"identityPoolId: identity pool {pool_id!r} does not exist")
    login = document.get("login") or next((each["ProviderName"] for each in pool["CognitoIdentityProviders"]), None)
    if login is None:
        raise SeedError(f"login: identity pool {pool_id!r} has no user pool; give a login provider")
    now = time.time()
    created = [cognito._identity_id(pool_id) for _ in range(count)]
    for identity_id in created:
        pool["_identities"][identity_id] = {
            "IdentityId": identity_id,
            "Logins": {login: ""},
            "CreationDate": now,
            "LastModifiedDate": now,
        }
    return {"identityIds": created}


def attachments(document: Any) -> dict[str, Any]:
    """Attach an IoT policy to targets as AttachPolicy does.

    Raises:
        SeedError: the policy does not exist, or a target is not valid.
    """
    policy_name, targets = _members(document, policyName=str, targets=list)
    for target in targets:
        status, _, body = iot._change_policy_target(policy_name, target, attach=True)
        if status >= 400:
            raise SeedError(f"targets: {target!r} was rejected: {body.decode()}")
    return {}


def _members(document: Any, **kinds: type) -> list[Any]:
    if not isinstance(document, dict):
        raise SeedError(f"body: {document!r} given; allowed: an object with {', '.join(kinds)}")
    for name, kind in kinds.items():
        if not isinstance(document.get(name), kind):
            raise SeedError(f"{name}: {document.get(name)!r} given; allowed: {kind.__name__}")
    return [document[name] for name in kinds]
