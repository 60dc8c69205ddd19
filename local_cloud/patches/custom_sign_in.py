"""Custom authentication refuses and challenges users as AWS does."""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito


def install() -> None:
    """Install each part."""
    _check_user_status()
    _require_trigger()


def _check_user_status() -> None:
    """Require enabled, confirmed users in custom authentication, and challenge those who must set a new password.

    ministack gives tokens to every user who answers the challenge. AWS documents the effect of a user's status on every
    sign-in, and MFA only after a password, so here MFA follows a password in the custom flow.
    https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminSetUserPassword.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow.html
    """
    define = cognito._invoke_define_auth_challenge_trigger
    continue_after_define = cognito._continue_custom_auth_after_define

    def invoke_define_auth_challenge_trigger(
        pool_id: str, client_id: str, username: str, user_attrs: dict[str, str], session: dict[str, Any], *args: Any
    ) -> Any:
        pool = cognito._user_pools[pool_id]
        user = cognito._resolve_user(pool, username)[0]
        answer = _refusal(user) or _after_the_password(pool, user, session)
        # ministack returns whatever stands in the place of an error.
        return (None, answer) if answer else define(pool_id, client_id, username, user_attrs, session, *args)

    def continue_custom_auth_after_define(
        token: str, session: dict[str, Any], user: dict[str, Any], user_attrs: dict[str, str], *args: Any
    ) -> Any:
        (*_, define_result) = args
        response = (define_result or {}).get("response") or {}
        answer = _in_place_of_tokens(session, user) if _issues_tokens(response) else None
        if answer is None:
            return continue_after_define(token, session, user, user_attrs, *args)
        del cognito._challenge_sessions[token]
        return answer

    cognito._invoke_define_auth_challenge_trigger = invoke_define_auth_challenge_trigger
    cognito._continue_custom_auth_after_define = continue_custom_auth_after_define


def _refusal(user: dict[str, Any]) -> Any:
    if not user["Enabled"]:
        return error_response_json("NotAuthorizedException", "User is disabled.", 400)
    if user["UserStatus"] == "UNCONFIRMED":
        return error_response_json("UserNotConfirmedException", "User is not confirmed.", 400)
    return None


def _after_the_password(pool: dict[str, Any], user: dict[str, Any], session: dict[str, Any]) -> Any:
    """Return what Cognito itself asks for once a custom flow's password is right."""
    if [each["challengeName"] for each in session["challenges"][-1:]] != ["PASSWORD_VERIFIER"]:
        return None
    asks = user["UserStatus"] == "FORCE_CHANGE_PASSWORD" or cognito._mfa_challenge_for_user(
        pool, user, session["pool_id"], user["Username"]
    )
    return _password_auth_result(session, user) if asks else None


def _in_place_of_tokens(session: dict[str, Any], user: dict[str, Any]) -> Any:
    match user["UserStatus"]:
        case "RESET_REQUIRED":
            return cognito._password_reset_required()
        case "FORCE_CHANGE_PASSWORD":
            return _password_auth_result(session, user)
    return None


def _password_auth_result(session: dict[str, Any], user: dict[str, Any]) -> Any:
    pool_id = session["pool_id"]
    return cognito._password_auth_result(
        cognito._user_pools[pool_id], pool_id, session["client_id"], user, user["Username"]
    )


def _issues_tokens(response: dict[str, Any]) -> bool:
    return bool(response.get("issueTokens")) and not response.get("failAuthentication")


def _require_trigger() -> None:
    """A custom challenge needs the trigger that defines it.

    Without one, ministack's sign-in fails in words of its own.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
    The error is as people report it: https://github.com/aws-amplify/amplify-js/issues/5623
    """
    define = cognito._invoke_define_auth_challenge_trigger

    def invoke_define_auth_challenge_trigger(pool_id: str, *args: Any, **details: Any) -> Any:
        pool = cognito._user_pools.get(pool_id) or {}
        if not (pool.get("LambdaConfig") or {}).get("DefineAuthChallenge"):
            text = "Custom auth lambda trigger is not configured for the user pool."
            # ministack returns whatever stands in the place of an error.
            return None, error_response_json("InvalidParameterException", text, 400)
        return define(pool_id, *args, **details)

    cognito._invoke_define_auth_challenge_trigger = invoke_define_auth_challenge_trigger
