"""An app client writes and reads only the user attributes it may: WriteAttributes, ReadAttributes.

ministack lets every client write and read all of them, in tokens too.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

# Always readable, and never among a client's ReadAttributes.
_ALWAYS_READABLE = {"sub", "identities", "cognito:user_status", "cognito:mfa_enabled"}


def install() -> None:
    """Check what a client writes, and leave out what it may not read."""
    cognito._update_user_attributes = _checked(cognito._update_user_attributes, _client_of_token)
    cognito._sign_up = _checked(cognito._sign_up, lambda data: data.get("ClientId"))
    cognito._get_user = _filtered_get_user(cognito._get_user)
    cognito._fake_token = _filtered_token(cognito._fake_token)


def _checked(operation: Any, client_id_of: Any) -> Any:
    def checked(data: dict[str, Any]) -> Any:
        client = _client(client_id_of(data))
        writable = client.get("WriteAttributes")
        written = {attribute["Name"] for attribute in data.get("UserAttributes", [])}
        if writable and not written <= set(writable):
            return error_response_json(
                "NotAuthorizedException", "A client attempted to write unauthorized attribute", 400
            )
        return operation(data)

    return checked


def _filtered_get_user(get_user: Any) -> Any:
    def filtered(data: dict[str, Any]) -> Any:
        status, headers, body = get_user(data)
        if status == 200:  # noqa: PLR2004
            answer = cognito.json.loads(body)
            readable = _readable(_client_of_token(data))
            answer["UserAttributes"] = [each for each in answer["UserAttributes"] if readable(each["Name"])]
            body = cognito.json.dumps(answer).encode()
        return status, headers, body

    return filtered


def _filtered_token(make_token: Any) -> Any:
    def filtered(sub: str, pool_id: str, client_id: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("user_attrs"):
            readable = _readable(client_id)
            kwargs["user_attrs"] = {
                name: value for name, value in kwargs["user_attrs"].items() if readable(name)
            }
        return make_token(sub, pool_id, client_id, *args, **kwargs)

    return filtered


def _readable(client_id: str | None) -> Any:
    allowed = set(_client(client_id).get("ReadAttributes") or [])
    return lambda name: not allowed or name in allowed or name in _ALWAYS_READABLE


def _client_of_token(data: dict[str, Any]) -> str | None:
    client_id: str | None = cognito._token_claims(data.get("AccessToken", "")).get("client_id")
    return client_id


def _client(client_id: str | None) -> dict[str, Any]:
    pool, _ = cognito._pool_for_client(client_id)
    client: dict[str, Any] = pool["_clients"][client_id] if pool else {}
    return client
