"""AWS's own tags of a pool, which begin with ``aws:``, stay whatever an update says.

CloudFormation gives them to what it makes. ministack's updates take them away with the others.
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import cognito

NEEDS = {cognito: ("_identity_pools", "_update_identity_pool", "_update_user_pool", "_user_pools")}

Operation = Callable[[dict[str, Any]], Any]

_PREFIX = "aws:"


def install() -> None:
    """Put them back after an update of either kind of pool."""
    cognito._update_user_pool = _keeping(cognito._update_user_pool, cognito._user_pools, "UserPoolId", "UserPoolTags")
    cognito._update_identity_pool = _keeping(
        cognito._update_identity_pool, cognito._identity_pools, "IdentityPoolId", "IdentityPoolTags"
    )


def _keeping(update: Operation, pools: Mapping[str, Any], id_name: str, tags_name: str) -> Operation:
    def update_but_system_tags(data: dict[str, Any]) -> Any:
        pool = pools.get(data.get(id_name, "")) or {}
        own = {key: value for key, value in (pool.get(tags_name) or {}).items() if key.startswith(_PREFIX)}
        answer = update(data)
        if own:
            pool[tags_name] = {**(pool.get(tags_name) or {}), **own}
        return answer

    return update_but_system_tags
