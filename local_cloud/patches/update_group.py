"""UpdateGroup changes a group's description, precedence and role, and leaves out what it is not given.

ministack does not know the operation.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateGroup.html
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito

NEEDS = {cognito: ("_dispatch_idp", "_group_out", "_user_pools")}

_CHANGEABLE = ("Description", "Precedence", "RoleArn")


def install() -> None:
    """Answer the operation before ministack refuses it as unknown."""
    dispatch = cognito._dispatch_idp

    async def dispatch_idp(action: str, data: dict[str, Any]) -> Any:
        return _update_group(data) if action == "UpdateGroup" else await dispatch(action, data)

    cognito._dispatch_idp = dispatch_idp


def _update_group(data: dict[str, Any]) -> Any:
    pool = cognito._user_pools.get(data["UserPoolId"], {"_groups": {}})
    group = pool["_groups"].get(data["GroupName"])
    if group is None:
        return error_response_json("ResourceNotFoundException", "Group not found.", 400)
    group |= {name: data[name] for name in _CHANGEABLE if name in data} | {"LastModifiedDate": int(time.time())}
    return json_response({"Group": cognito._group_out(group)})
