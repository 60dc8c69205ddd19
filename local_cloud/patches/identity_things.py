"""A Cognito identity can be attached to a thing, as a certificate can.

ministack takes certificates only. AWS does not document whether the identity must exist; here it need not, as with
AttachPolicy.
https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
https://docs.aws.amazon.com/iot/latest/apireference/API_ListPrincipalThings.html
https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteThing.html
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import iot

_IDENTITY = re.compile(r"[a-z]{2}(-[a-z]+)+-\d:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREFIX, _SUFFIX = "/things/", "/principals"


def install() -> None:
    """Attach, detach and list identities before ministack looks for a certificate."""
    handle, list_things, delete = iot._handle_thing_principals, iot._list_principal_things, iot._delete_thing

    def handle_thing_principals(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        identity_id, thing = _identity(headers, query), iot._things.get(path[len(_PREFIX) : -len(_SUFFIX)])
        if method not in ("PUT", "DELETE") or identity_id is None or thing is None:
            return handle(method, path, headers, body, query)
        others = [each for each in thing.get("principals", []) if each != identity_id]
        thing["principals"] = [*others, identity_id] if method == "PUT" else others
        iot._things[thing["thingName"]] = thing
        return json_response({})

    def list_principal_things(headers: dict[str, str], query: dict[str, Any]) -> Any:
        identity_id = _identity(headers, query)
        if identity_id is None:
            return list_things(headers, query)
        names = [name for name, thing in iot._things.items() if identity_id in thing.get("principals", [])]
        return json_response({"things": sorted(names)})

    def delete_thing(name: str, *args: Any) -> Any:
        if any(_IDENTITY.fullmatch(each) for each in (iot._things.get(name) or {}).get("principals", [])):
            message = f"Cannot delete. Thing {name} is still attached to one or more principals"
            return error_response_json("InvalidRequestException", message, 400)
        return delete(name, *args)

    iot._handle_thing_principals = handle_thing_principals
    iot._list_principal_things = list_principal_things
    iot._delete_thing = delete_thing


def _identity(headers: dict[str, str], query: dict[str, Any]) -> str | None:
    """Return the identity id that a request names as its principal; None if it names another principal."""
    principal = str(headers.get("x-amzn-principal") or query.get("principal") or "")
    return principal if _IDENTITY.fullmatch(principal) else None
