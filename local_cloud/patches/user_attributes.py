"""User attributes are checked against the schema of the user pool and the permissions of the app client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Install each part."""
    _check_schema()
    _check_app_client()


def _check_schema() -> None:
    """Reject attributes that the pool's schema does not have, and values that are too long. ministack stores them.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_StringAttributeConstraintsType.html
    """
    for name in ("_admin_create_user", "_admin_update_user_attributes", "_sign_up", "_update_user_attributes"):
        setattr(cognito, name, _with_checked_attributes(getattr(cognito, name)))


def _with_checked_attributes(operation: Operation) -> Operation:
    def checked(data: dict[str, Any]) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId")) or _pool_and_client(data)[0]
        problem = _problem(pool, data.get("UserAttributes") or []) if pool else None
        if problem:
            text = f"Attributes did not conform to the schema: {problem}"
            return error_response_json("InvalidParameterException", text, 400)
        return operation(data)

    return checked


def _problem(pool: dict[str, Any], attributes: list[dict[str, Any]]) -> str | None:
    cognito._ensure_schema_attributes(pool)
    schema = {each["Name"]: each for each in pool["SchemaAttributes"]}
    for attribute in attributes:
        name, value = attribute["Name"], str(attribute.get("Value", ""))
        if name not in schema:
            return f"Type for attribute {{{name}}} could not be determined"
        longest = (schema[name].get("StringAttributeConstraints") or {}).get("MaxLength")
        if longest is not None and len(value) > int(longest):
            return f"{name}: String must be no longer than {longest} characters"
    return None


_VERIFIED = {"email_verified", "phone_number_verified"}
_ALWAYS_READABLE = {"sub", "identities"}


def _check_app_client() -> None:
    """Let an app client write and read only the attributes that it may.

    In ministack every client writes and reads all attributes, also in ID tokens. Without WriteAttributes a client may
    write the standard attributes. Without ReadAttributes it may read these and whether e-mail address and phone number
    are verified.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
    """
    cognito._sign_up = _with_writable_attributes(cognito._sign_up)
    cognito._update_user_attributes = _with_writable_attributes(cognito._update_user_attributes)
    cognito._get_user = _with_readable_attributes(cognito._get_user)
    cognito._fake_token = _with_readable_claims(cognito._fake_token)


def _with_writable_attributes(operation: Operation) -> Operation:
    def checked(data: dict[str, Any]) -> Any:
        pool, client = _pool_and_client(data)
        writable = client.get("WriteAttributes") or _standard_attributes(pool) - _VERIFIED - {"sub"}
        if _written(data) <= set(writable):
            return operation(data)
        return error_response_json("NotAuthorizedException", "A client attempted to write unauthorized attribute", 400)

    return checked


def _with_readable_attributes(operation: Operation) -> Operation:
    def filtered(data: dict[str, Any]) -> Any:
        status, headers, body = operation(data)
        answer = json.loads(body)
        if "UserAttributes" in answer:
            readable = _readable(*_pool_and_client(data))
            answer["UserAttributes"] = [each for each in answer["UserAttributes"] if each["Name"] in readable]
            body = json.dumps(answer).encode()
        return status, headers, body

    return filtered


def _with_readable_claims(make_token: Callable[..., str]) -> Callable[..., str]:
    def filtered(sub: str, pool_id: str, client_id: str, *args: Any, **details: Any) -> str:
        if details.get("user_attrs"):
            readable = _readable(*_pool_and_client({"ClientId": client_id}))
            attributes = details["user_attrs"].items()
            details["user_attrs"] = {name: value for name, value in attributes if name in readable}
        return make_token(sub, pool_id, client_id, *args, **details)

    return filtered


def _readable(pool: dict[str, Any], client: dict[str, Any]) -> set[str]:
    return {*(client.get("ReadAttributes") or _standard_attributes(pool)), *_ALWAYS_READABLE}


def _standard_attributes(pool: dict[str, Any]) -> set[str]:
    names = (attribute["Name"] for attribute in pool.get("SchemaAttributes", []))
    return {name for name in names if not name.startswith(("custom:", "dev:"))}


def _written(data: dict[str, Any]) -> set[str]:
    return {attribute["Name"] for attribute in data.get("UserAttributes", [])}


def _pool_and_client(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the user pool and the app client of a request's client id or access token."""
    client_id = data.get("ClientId") or cognito._token_claims(data.get("AccessToken", "")).get("client_id")
    pool, _ = cognito._pool_for_client(client_id)
    return (pool, pool["_clients"][client_id]) if pool else ({}, {})
