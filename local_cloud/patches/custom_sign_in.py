"""Custom authentication checks the user's status, needs its trigger, and handles unknown users as AWS does."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Install each part."""
    _check_user_status()
    _require_trigger()
    _simulate_unknown_users()


def _check_user_status() -> None:
    """Require enabled, confirmed users in custom authentication, and challenge those who must set a new password.

    ministack gives tokens to every user who answers the challenge. AWS documents that a user's status affects every
    sign-in. It documents MFA only after a password, so here custom authentication does not require it.
    https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminSetUserPassword.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow.html
    """
    define = cognito._invoke_define_auth_challenge_trigger
    continue_after_define = cognito._continue_custom_auth_after_define

    def invoke_define_auth_challenge_trigger(pool_id: str, client_id: str, username: str, *args: Any) -> Any:
        error = _error_for_status(cognito._resolve_user(cognito._user_pools[pool_id], username)[0])
        # ministack returns the second value to the client.
        return (None, error) if error else define(pool_id, client_id, username, *args)

    def continue_custom_auth_after_define(
        token: str, session: dict[str, Any], user: dict[str, Any], user_attrs: dict[str, str], *args: Any
    ) -> Any:
        (*_, define_result) = args
        response = (define_result or {}).get("response") or {}
        issues_tokens = response.get("issueTokens") and not response.get("failAuthentication")
        answer = _answer_instead_of_tokens(session, user) if issues_tokens else None
        if answer is None:
            return continue_after_define(token, session, user, user_attrs, *args)
        del cognito._challenge_sessions[token]
        return answer

    cognito._invoke_define_auth_challenge_trigger = invoke_define_auth_challenge_trigger
    cognito._continue_custom_auth_after_define = continue_custom_auth_after_define


def _error_for_status(user: dict[str, Any]) -> Any:
    if not user["Enabled"]:
        return error_response_json("NotAuthorizedException", "User is disabled.", 400)
    if user["UserStatus"] == "UNCONFIRMED":
        return error_response_json("UserNotConfirmedException", "User is not confirmed.", 400)
    return None


def _answer_instead_of_tokens(session: dict[str, Any], user: dict[str, Any]) -> Any:
    match user["UserStatus"]:
        case "RESET_REQUIRED":
            return cognito._password_reset_required()
        case "FORCE_CHANGE_PASSWORD":
            pool_id = session["pool_id"]
            return cognito._password_auth_result(
                cognito._user_pools[pool_id], pool_id, session["client_id"], user, user["Username"]
            )
    return None


def _require_trigger() -> None:
    """Reject custom authentication in a pool without DefineAuthChallenge. ministack's error differs from AWS's.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
    The error as people report it: https://github.com/aws-amplify/amplify-js/issues/5623
    """
    define = cognito._invoke_define_auth_challenge_trigger

    def invoke_define_auth_challenge_trigger(pool_id: str, *args: Any, **details: Any) -> Any:
        pool = cognito._user_pools.get(pool_id) or {}
        if not (pool.get("LambdaConfig") or {}).get("DefineAuthChallenge"):
            text = "Custom auth lambda trigger is not configured for the user pool."
            return None, error_response_json("InvalidParameterException", text, 400)
        return define(pool_id, *args, **details)

    cognito._invoke_define_auth_challenge_trigger = invoke_define_auth_challenge_trigger


_simulating: ContextVar[bool] = ContextVar("_simulating", default=False)
"""Whether the request is a custom authentication on a client that hides which users exist."""


def _simulate_unknown_users() -> None:
    """Challenge unknown users if the app client hides which users exist, and tell the triggers ``userNotFound``.

    ministack rejects them, and passes the user name to the triggers as it was typed. AWS passes the user's own name.
    Whatever the triggers answer, an unknown user gets no tokens.
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-define-auth-challenge.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
    """
    resolve = cognito._resolve_user
    continue_after_define = cognito._continue_custom_auth_after_define

    def resolve_user(pool: dict[str, Any], username: str | None) -> Any:
        found = resolve(pool, username)
        return (_unknown_user(username), None) if found[0] is None and _simulating.get() else found

    def continue_custom_auth_after_define(
        token: str,
        session: dict[str, Any],
        user: dict[str, Any],
        user_attrs: dict[str, str],
        client_metadata: dict[str, str],
        define_result: dict[str, Any] | None,
    ) -> Any:
        if define_result and user["UserStatus"] is None:
            response = define_result.get("response") or {}
            define_result["response"] = response | ({"failAuthentication": True} if response.get("issueTokens") else {})
        return continue_after_define(token, session, user, user_attrs, client_metadata, define_result)

    def with_user(build: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
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
        setattr(cognito, builder, with_user(getattr(cognito, builder)))
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


def _unknown_user(username: str | None) -> dict[str, Any]:
    return {"Username": username, "Attributes": [], "Enabled": True, "UserStatus": None}
