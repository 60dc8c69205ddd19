"""DeleteIdentities deletes identities by id.

ministack does not know the operation.
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_DeleteIdentities.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import json_response
from ministack.services import cognito

NEEDS = {cognito: ("_dispatch_identity", "_identity_pools")}


def install() -> None:
    """Answer the operation before ministack refuses it as unknown."""
    dispatch = cognito._dispatch_identity

    async def dispatch_identity(action: str, data: dict[str, Any]) -> Any:
        if action != "DeleteIdentities":
            return await dispatch(action, data)
        for identity_id in data["IdentityIdsToDelete"]:
            for pool in cognito._identity_pools.values():
                pool["_identities"].pop(identity_id, None)
        return json_response({"UnprocessedIdentityIds": []})

    cognito._dispatch_identity = dispatch_identity
