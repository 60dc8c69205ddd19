"""AWS's own tags of a pool, which begin with ``aws:``, stay whatever an update says, and no update may name them.

CloudFormation gives them to what it makes. ministack's updates take them away with the others, or let anybody set them.
https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

NEEDS = {cognito: ("_identity_pools", "_update_identity_pool", "_update_user_pool", "_user_pools")}

Operation = Callable[[dict[str, Any]], Any]

_PREFIX = "aws:"


def install() -> None:
    """Look at the tags of both kinds of pool before and after an update."""
    cognito._update_user_pool = _keeping(cognito._update_user_pool, cognito._user_pools, "UserPoolId", "UserPoolTags")
    cognito._update_identity_pool = _keeping(
        cognito._update_identity_pool, cognito._identity_pools, "IdentityPoolId", "IdentityPoolTags"
    )


def _keeping(update: Operation, pools: Mapping[str, Any], id_name: str, tags_name: str) -> Operation:
    def update_but_system_tags(data: dict[str, Any]) -> Any:
        if any(key.startswith(_PREFIX) for key in data.get(tags_name) or {}):
            message = "aws: prefixed tag key names are not allowed for external use."
            return error_response_json("InvalidParameterException", message, 400)
        pool = pools.get(data.get(id_name, "")) or {}
        own = {key: value for key, value in (pool.get(tags_name) or {}).items() if key.startswith(_PREFIX)}
        answer = update(data)
        if own:
            pool[tags_name] = {**own, **(pool.get(tags_name) or {})}
        return answer

    return update_but_system_tags
