"""Sign-ins invoke the triggers PreAuthentication and PostAuthentication."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cognito, lambda_svc

from local_cloud.faults.triggers import TRIGGERS


def install() -> None:
    """Install each part."""
    _invoke_post_authentication()
    _invoke_pre_authentication()


_POST_AUTHENTICATION = "PostAuthentication"

_ATTEMPTS = 3

_AFTER_NEW_PASSWORD = "TokenGeneration_NewPasswordChallenge"  # noqa: S105

# Left out: hosted pages, which sign in long before they ask for tokens, and federated users.
_SIGN_INS = {"TokenGeneration_Authentication", _AFTER_NEW_PASSWORD}


class TriggerFailedError(Exception):
    """The trigger stops the sign-in with this error of Cognito's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _invoke_post_authentication() -> None:
    """Invoke PostAuthentication after the credentials are verified and before tokens are returned.

    ministack never invokes it. Every sign-in does, internal sign-ins too, but not a refresh. The sign-in fails after an
    error, an answer that is not the event, or three invocations without an answer within five seconds. AWS documents
    repeated invocations only for a function that does not respond in time. A user who has just set a new password is
    confirmed only after the trigger: published functions recognize a first sign-in by the status in the event, which
    AWS does not document.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
    """
    build_result = cognito._build_auth_result
    run_handler = cognito._run_idp_handler

    def build_auth_result(pool_id: str, client_id: str, user: dict[str, Any], *args: Any, **details: Any) -> Any:
        source = details.get("trigger_source", "TokenGeneration_Authentication")
        if source in _SIGN_INS:
            with _not_yet_confirmed(user) if source == _AFTER_NEW_PASSWORD else nullcontext():
                _run_post_authentication(pool_id, client_id, user, details.get("client_metadata"))
        return build_result(pool_id, client_id, user, *args, **details)

    def run_idp_handler(handler: Any, action: str, data: dict[str, Any]) -> Any:
        try:
            return run_handler(handler, action, data)
        except TriggerFailedError as failure:
            return error_response_json(failure.code, str(failure), 400)

    cognito._build_auth_result = build_auth_result
    cognito._run_idp_handler = run_idp_handler


@contextmanager
def _not_yet_confirmed(user: dict[str, Any]) -> Iterator[None]:
    """Restore the user's status before the new password, which ministack has changed already."""
    user["UserStatus"] = "FORCE_CHANGE_PASSWORD"
    try:
        yield
    finally:
        user["UserStatus"] = "CONFIRMED"


def _run_post_authentication(
    pool_id: str, client_id: str, user: dict[str, Any], client_metadata: dict[str, str] | None
) -> None:
    function_arn = (cognito._user_pools[pool_id].get("LambdaConfig") or {}).get(_POST_AUTHENTICATION)
    if not function_arn:
        return
    event = _event(pool_id, client_id, user, client_metadata)
    answer = invoke(_POST_AUTHENTICATION, function_arn, pool_id, event)
    if not (isinstance(answer, dict) and event.keys() <= answer.keys()):
        raise TriggerFailedError("InvalidLambdaResponseException", "Unrecognizable lambda output")


def _event(
    pool_id: str, client_id: str, user: dict[str, Any], client_metadata: dict[str, str] | None
) -> dict[str, Any]:
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    if TRIGGERS.only_readable_attributes:
        readable = cognito._user_pools[pool_id]["_clients"][client_id].get("ReadAttributes") or attributes
        attributes = {name: value for name, value in attributes.items() if name == "sub" or name in readable}
    request = {
        "userAttributes": attributes | {"cognito:user_status": user["UserStatus"]},
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


def invoke(trigger: str, function_arn: str, pool_id: str, event: dict[str, Any]) -> Any:
    """Return what a trigger's function answers to an event.

    Args:
        trigger: as ``LambdaConfig`` names it.
        function_arn: the function.
        pool_id: the user pool.
        event: what it is given.

    Raises:
        TriggerFailedError: it may not be invoked, raises an error, or does not answer in time.
    """
    record, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if record is None:
        raise _invocation_failed(trigger, "ResourceNotFoundException.")
    if not _may_invoke(record, function_arn, pool_id):
        raise _invocation_failed(trigger, "AccessDeniedException.")
    function = lambda_svc._execution_record_for_config(record, config)
    for _ in range(_ATTEMPTS):
        try:
            answered = _start(trigger, function, event).result(timeout=TRIGGERS.seconds)
            break
        except TimeoutError:
            continue
    else:
        raise _invocation_failed(trigger, "Socket timeout while invoking Lambda function.")
    body = _decoded(answered.get("body"))
    if answered.get("error"):
        message = body.get("errorMessage") if isinstance(body, dict) else body
        raise TriggerFailedError("UserLambdaValidationException", f"{trigger} failed with error {message}.")
    return body


def _start(trigger: str, function: dict[str, Any], event: dict[str, Any]) -> Future[dict[str, Any]]:
    result: Future[dict[str, Any]] = Future()
    context = contextvars.copy_context()

    def execute() -> None:
        try:
            result.set_result(context.run(lambda_svc._execute_function_with_config_scope, function, event))
        except Exception as error:  # noqa: BLE001
            result.set_exception(error)

    # A daemon, because a function that hangs must not keep the server from ending.
    threading.Thread(target=execute, name=trigger, daemon=True).start()
    return result


def _invocation_failed(trigger: str, reason: str) -> TriggerFailedError:
    return TriggerFailedError("UnexpectedLambdaException", f"{trigger} invocation failed due to error {reason}")


def _may_invoke(function: dict[str, Any], function_arn: str, pool_id: str) -> bool:
    """Tell whether the function's resource policy lets Cognito invoke it for this user pool."""
    context = EvalContext(
        principal_arn="cognito-idp.amazonaws.com",
        principal_type="Service",
        principal_account=get_account_id(),
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=get_region(),
        service_context={"aws:sourcearn": cognito._pool_arn(pool_id), "aws:sourceaccount": get_account_id()},
    )
    result = evaluate_resource_policy(function["policy"], context, service="cognito-idp.amazonaws.com")
    return bool(result.decision == "Allow")


def _decoded(body: Any) -> Any:
    if not isinstance(body, str | bytes):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


Operation = Callable[[dict[str, Any]], Any]

_PRE_AUTHENTICATION = "PreAuthentication"

_REFRESHES = {"REFRESH_TOKEN", "REFRESH_TOKEN_AUTH"}


def _invoke_pre_authentication() -> None:
    """Invoke PreAuthentication when a sign-in begins; its error rejects the sign-in.

    ministack never invokes it. AWS lists it among the triggers of ``InitiateAuth`` and ``AdminInitiateAuth``, which
    pass their ``ClientMetadata`` as ``validationData``, and excludes no flow. In 2020 people reported that AWS did not
    invoke it in custom flows.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-authentication.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
    https://github.com/aws-amplify/amplify-js/issues/5318
    """
    for operation in ("_initiate_auth", "_admin_initiate_auth"):
        setattr(cognito, operation, _after_the_trigger(getattr(cognito, operation)))


def _after_the_trigger(operation: Operation) -> Operation:
    def begin(data: dict[str, Any]) -> Any:
        try:
            _run_pre_authentication(data)
        except TriggerFailedError as failure:
            return error_response_json(failure.code, str(failure), 400)
        return operation(data)

    return begin


def _run_pre_authentication(data: dict[str, Any]) -> None:
    pool, pool_id = cognito._pool_for_client(data.get("ClientId"))
    function_arn = ((pool or {}).get("LambdaConfig") or {}).get(_PRE_AUTHENTICATION)
    if not function_arn or data.get("AuthFlow") in _REFRESHES:
        return
    user, _ = cognito._resolve_user(pool, (data.get("AuthParameters") or {}).get("USERNAME"))
    if user is None:
        return
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    event = {
        "version": "1",
        "triggerSource": "PreAuthentication_Authentication",
        "region": cognito._pool_region(pool_id),
        "userPoolId": pool_id,
        "userName": user["Username"],
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": data["ClientId"]},
        "request": {
            "userAttributes": attributes | {"cognito:user_status": user["UserStatus"]},
            "validationData": data.get("ClientMetadata") or {},
            "userNotFound": False,
        },
        "response": {},
    }
    answer = invoke(_PRE_AUTHENTICATION, function_arn, pool_id, event)
    if not isinstance(answer, dict):
        raise TriggerFailedError("InvalidLambdaResponseException", "Unrecognizable lambda output")
