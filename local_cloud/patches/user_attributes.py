"""A user has the attributes of the pool's schema, and no value is longer than the schema allows.

ministack stores whatever it is given.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_StringAttributeConstraintsType.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Compare attributes with the schema before they are stored."""
    for name in ("_admin_create_user", "_admin_update_user_attributes", "_sign_up", "_update_user_attributes"):
        setattr(cognito, name, _checked(getattr(cognito, name)))


def _checked(operation: Operation) -> Operation:
    def check(data: dict[str, Any]) -> Any:
        pool = _pool(data)
        problem = _problem(pool, data.get("UserAttributes") or []) if pool else None
        if problem:
            text = f"Attributes did not conform to the schema: {problem}"
            return error_response_json("InvalidParameterException", text, 400)
        return operation(data)

    return check


def _pool(data: dict[str, Any]) -> dict[str, Any] | None:
    if "UserPoolId" in data:
        named: dict[str, Any] | None = cognito._user_pools.get(data["UserPoolId"])
        return named
    client_id = data.get("ClientId") or cognito._token_claims(data.get("AccessToken", "")).get("client_id")
    pool, _ = cognito._pool_for_client(client_id)
    return pool or None


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
