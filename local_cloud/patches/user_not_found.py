"""The challenge triggers of custom authentication are told whom: the user's own name, or that there is no such user.

ministack passes on the name as it was typed, and always says that there is a user. AWS gives an app client with
``PreventUserExistenceErrors`` a challenge for any name; the triggers see ``userNotFound``, and nobody gets tokens.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-define-auth-challenge.html
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]

_simulating: ContextVar[bool] = ContextVar("_simulating", default=False)
"""Whether the request at hand is one of a custom authentication, on a client that does not tell who exists."""


def install() -> None:
    """Go on with a user who is not there, and refuse the tokens in the end."""
    resolve = cognito._resolve_user
    continue_after_define = cognito._continue_custom_auth_after_define

    def resolve_user(pool: dict[str, Any], username: str | None) -> Any:
        found = resolve(pool, username)
        return (_nobody(username), None) if found[0] is None and _simulating.get() else found

    def continue_custom_auth_after_define(
        token: str,
        session: dict[str, Any],
        user: dict[str, Any],
        user_attrs: dict[str, str],
        client_metadata: dict[str, str],
        define_result: dict[str, Any] | None,
    ) -> Any:
        if define_result and _is_nobody(user):
            response = define_result.get("response") or {}
            define_result["response"] = response | ({"failAuthentication": True} if response.get("issueTokens") else {})
        return continue_after_define(token, session, user, user_attrs, client_metadata, define_result)

    def told_whom(build: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def event(pool_id: str, client_id: str, username: str, *args: Any) -> dict[str, Any]:
            built = build(pool_id, client_id, username, *args)
            user = resolve(cognito._user_pools[pool_id], username)[0]
            if user is None:
                built["request"]["userNotFound"] = True
            else:
                built["userName"] = user["Username"]
                built["request"]["userAttributes"]["cognito:user_status"] = user["UserStatus"]
            return built

        return event

    for event in ("define_auth_challenge", "create_auth_challenge", "verify_auth_challenge"):
        builder = f"_build_{event}_event"
        setattr(cognito, builder, told_whom(getattr(cognito, builder)))
    for operation in (
        "_initiate_auth",
        "_admin_initiate_auth",
        "_respond_to_auth_challenge",
        "_admin_respond_to_auth_challenge",
    ):
        setattr(cognito, operation, _simulated(getattr(cognito, operation)))
    cognito._resolve_user = resolve_user
    cognito._continue_custom_auth_after_define = continue_custom_auth_after_define


def _simulated(operation: Operation) -> Operation:
    def with_simulation(data: dict[str, Any]) -> Any:
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        is_custom = data.get("AuthFlow") == "CUSTOM_AUTH" or data.get("ChallengeName") == "CUSTOM_CHALLENGE"
        before = _simulating.set(bool(pool and is_custom and cognito._hides_user_existence(pool, data["ClientId"])))
        try:
            return operation(data)
        finally:
            _simulating.reset(before)

    return with_simulation


def _nobody(username: str | None) -> dict[str, Any]:
    return {"Username": username, "Attributes": [], "Enabled": True, "UserStatus": None}


def _is_nobody(user: dict[str, Any]) -> bool:
    return user["UserStatus"] is None
