"""The PostAuthentication trigger is fired: after the credentials are proven, before the tokens are answered.

ministack never fires it. It is fired for nested sign-ins too, and not for a refresh; an error, an answer that is not the
event, or no answer within five seconds fails the sign-in.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

import json
import threading
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import error_response_json, get_account_id, get_region, request_scope
from ministack.services import cognito, lambda_svc

_SECONDS = 5.0
_TRIGGER = "PostAuthentication"


class _TriggerFailedError(Exception):
    """The trigger stops the sign-in with this error of Cognito's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Fire the trigger where ministack makes tokens, and answer its failure as Cognito does."""
    build_result = cognito._build_auth_result
    run_handler = cognito._run_idp_handler

    def build_auth_result(
        pool_id: str, client_id: str, user: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        if kwargs.get("trigger_source") != "TokenGeneration_RefreshTokens":
            _fire(pool_id, client_id, user, kwargs.get("client_metadata"))
        return build_result(pool_id, client_id, user, *args, **kwargs)

    def run_idp_handler(handler: Any, action: str, data: dict[str, Any]) -> Any:
        try:
            return run_handler(handler, action, data)
        except _TriggerFailedError as failure:
            return error_response_json(failure.code, str(failure), 400)

    cognito._build_auth_result = build_auth_result
    cognito._run_idp_handler = run_idp_handler


def _fire(pool_id: str, client_id: str, user: dict[str, Any], client_metadata: dict[str, str] | None) -> None:
    arn = (cognito._user_pools[pool_id].get("LambdaConfig") or {}).get(_TRIGGER)
    if not arn:
        return
    event = _event(pool_id, client_id, user, client_metadata)
    answer = _invoke(arn, pool_id, event)
    if not (
        isinstance(answer, dict) and {"version", "triggerSource", "request", "response"} <= answer.keys()
    ):
        raise _TriggerFailedError("InvalidLambdaResponseException", "Unrecognizable lambda output")


def _event(
    pool_id: str, client_id: str, user: dict[str, Any], client_metadata: dict[str, str] | None
) -> dict[str, Any]:
    attributes = cognito._attr_list_to_dict(user.get("Attributes", []))
    request = {
        "userAttributes": attributes | {"cognito:user_status": user.get("UserStatus", "")},
        "newDeviceUsed": False,
    }
    if client_metadata:
        request["clientMetadata"] = client_metadata
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": cognito._pool_region(pool_id),
        "userPoolId": pool_id,
        "userName": user["Username"],
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": request,
        "response": {},
    }


def _invoke(arn: str, pool_id: str, event: dict[str, Any]) -> Any:
    record, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if record is None or config is None or not _may_invoke(record, arn, pool_id):
        raise _TriggerFailedError(
            "UnexpectedLambdaException", f"{_TRIGGER} invocation failed due to error AccessDeniedException."
        )
    function = lambda_svc._execution_record_for_config(record, config)
    answers: list[dict[str, Any]] = []
    account_id, region = get_account_id(), get_region()

    def execute() -> None:
        with request_scope(account_id, region):
            answers.append(lambda_svc._execute_function_with_config_scope(function, event))

    thread = threading.Thread(target=execute, name="post-authentication", daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if not answers:
        raise _TriggerFailedError(
            "UnexpectedLambdaException", f"{_TRIGGER} invocation failed due to error TimeoutException."
        )
    body = answers[0].get("body")
    if answers[0].get("error"):
        raise _TriggerFailedError(
            "UserLambdaValidationException", f"{_TRIGGER} failed with error {_error_message(body)}."
        )
    return _parsed(body)


def _may_invoke(function: dict[str, Any], arn: str, pool_id: str) -> bool:
    """Tell whether the function's resource policy lets Cognito invoke it for this user pool."""
    context = EvalContext(
        principal_arn="cognito-idp.amazonaws.com",
        principal_type="Service",
        principal_account=get_account_id(),
        action="lambda:InvokeFunction",
        resource_arn=arn,
        region=get_region(),
        service_context={"aws:sourcearn": cognito._pool_arn(pool_id), "aws:sourceaccount": get_account_id()},
    )
    result = evaluate_resource_policy(function["policy"], context, service="cognito-idp.amazonaws.com")
    return bool(result.decision == "Allow")


def _error_message(body: Any) -> str:
    parsed = _parsed(body)
    return str(parsed.get("errorMessage", parsed)) if isinstance(parsed, dict) else str(parsed)


def _parsed(body: Any) -> Any:
    if not isinstance(body, str | bytes):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body
