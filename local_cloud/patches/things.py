"""Things are attached to Cognito identities. ministack attaches them only to certificates.

:func:`local_cloud.iot_policy_documents.variables_of_identity` has the values for policies. AWS does not document
whether the identity must exist; here it need not.
https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
https://docs.aws.amazon.com/iot/latest/apireference/API_ListPrincipalThings.html
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core.responses import json_response
from ministack.services import iot

# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_IDENTITY_ID = re.compile(r"[\w-]+:[0-9a-f-]+")


def install() -> None:
    """Attach, detach and list the things of identities; leave certificates to ministack."""
    handle, list_things = iot._handle_thing_principals, iot._list_principal_things

    def handle_thing_principals(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, str]
    ) -> Any:
        name = path.removeprefix("/things/").removesuffix("/principals")
        principal, thing = headers.get("x-amzn-principal", ""), iot._things.get(name)
        if thing is None or not _IDENTITY_ID.fullmatch(principal):
            return handle(method, path, headers, body, query)
        principals = [each for each in thing.get("principals", []) if each != principal]
        iot._things[name] = thing | {"principals": [*principals, principal] if method == "PUT" else principals}
        return json_response({})

    def list_principal_things(headers: dict[str, str], query: dict[str, str]) -> Any:
        principal = headers.get("x-amzn-principal", "")
        if not _IDENTITY_ID.fullmatch(principal):
            return list_things(headers, query)
        attached = [name for name, thing in iot._things.items() if principal in thing.get("principals", [])]
        return json_response({"things": attached})

    iot._handle_thing_principals = handle_thing_principals
    iot._list_principal_things = list_principal_things
