"""Sign-ins invoke PreAuthentication and PostAuthentication, which ministack never invokes."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cognito, lambda_svc

AWS_TIMEOUT_SECONDS = 5.0


@dataclass
class TriggerTimeout:
    """How long Cognito waits for a trigger, in seconds."""

    seconds: float = AWS_TIMEOUT_SECONDS


TRIGGER_TIMEOUT = TriggerTimeout()
"""The setting of this cloud."""


def install() -> None:
    """Install each part."""
    _invoke_post_authentication()
    _invoke_pre_authentication()


_ATTEMPTS = 3

_AFTER_NEW_PASSWORD = "TokenGeneration_NewPasswordChallenge"  # noqa: S105

# Hosted pages and federated users are not supported.
_SIGN_INS = {"TokenGeneration_Authentication", _AFTER_NEW_PASSWORD}


class TriggerFailedError(Exception):
    """The sign-in fails with this error of Cognito."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _invoke_post_authentication() -> None:
    """Invoke PostAuthentication after the credentials are verified and before tokens are returned.

    Every sign-in invokes it, also internal ones; a refresh does not. The sign-in fails after an error, an answer that
    is not the event, or three invocations without an answer within five seconds. A user with a new password is
    confirmed only after the trigger. AWS does not document this, but published functions depend on it.
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
    """Show the status before the new password, which ministack has changed already."""
    user["UserStatus"] = "FORCE_CHANGE_PASSWORD"
    try:
        yield
    finally:
        user["UserStatus"] = "CONFIRMED"


def _run_post_authentication(
    pool_id: str, client_id: str, user: dict[str, Any], client_metadata: dict[str, str] | None
) -> None:
    request: dict[str, Any] = {"newDeviceUsed": False}
    if client_metadata:
        request["clientMetadata"] = client_metadata
    _run("PostAuthentication", pool_id, client_id, user, request)


def _run(trigger: str, pool_id: str, client_id: str, user: dict[str, Any], request: dict[str, Any]) -> None:
    """Invoke a trigger, if the user pool has it, with the user's attributes and the given request."""
    function_arn = (cognito._user_pools[pool_id].get("LambdaConfig") or {}).get(trigger)
    if not function_arn:
        return
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    event = {
        "version": "1",
        "triggerSource": f"{trigger}_Authentication",
        "region": cognito._pool_region(pool_id),
        "userPoolId": pool_id,
        "userName": user["Username"],
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": {"userAttributes": attributes | {"cognito:user_status": user["UserStatus"]}, **request},
        "response": {},
    }
    answer = _invoke(trigger, function_arn, pool_id, event)
    if not (isinstance(answer, dict) and event.keys() <= answer.keys()):
        raise TriggerFailedError("InvalidLambdaResponseException", "Unrecognizable lambda output")


def _invoke(trigger: str, function_arn: str, pool_id: str, event: dict[str, Any]) -> Any:
    """Return the answer of a trigger's function."""
    record, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if record is None:
        raise _invocation_failed(trigger, "ResourceNotFoundException.")
    if not _may_invoke(record, function_arn, pool_id):
        raise _invocation_failed(trigger, "AccessDeniedException.")
    function = lambda_svc._execution_record_for_config(record, config)
    for _ in range(_ATTEMPTS):
        try:
            answered = _start(trigger, function, event).result(timeout=TRIGGER_TIMEOUT.seconds)
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

    # A daemon thread, so that a function that hangs does not keep the server alive.
    threading.Thread(target=execute, name=trigger, daemon=True).start()
    return result


def _invocation_failed(trigger: str, reason: str) -> TriggerFailedError:
    return TriggerFailedError("UnexpectedLambdaException", f"{trigger} invocation failed due to error {reason}")


def _may_invoke(function: dict[str, Any], function_arn: str, pool_id: str) -> bool:
    """Return whether the function's resource policy lets Cognito invoke it for this user pool."""
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

_REFRESHES = {"REFRESH_TOKEN", "REFRESH_TOKEN_AUTH"}


def _invoke_pre_authentication() -> None:
    """Invoke PreAuthentication when a sign-in begins; its error rejects the sign-in.

    ``InitiateAuth`` and ``AdminInitiateAuth`` pass their ``ClientMetadata`` as ``validationData``. AWS documents no
    exception for custom flows, but in 2020 people reported that it was not invoked there.
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-authentication.html
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
    https://github.com/aws-amplify/amplify-js/issues/5318
    """
    for operation in ("_initiate_auth", "_admin_initiate_auth"):
        setattr(cognito, operation, _after_trigger(getattr(cognito, operation)))


def _after_trigger(operation: Operation) -> Operation:
    def begin(data: dict[str, Any]) -> Any:
        try:
            _run_pre_authentication(data)
        except TriggerFailedError as failure:
            return error_response_json(failure.code, str(failure), 400)
        return operation(data)

    return begin


def _run_pre_authentication(data: dict[str, Any]) -> None:
    pool, pool_id = cognito._pool_for_client(data.get("ClientId"))
    if not pool or data.get("AuthFlow") in _REFRESHES:
        return
    user, _ = cognito._resolve_user(pool, (data.get("AuthParameters") or {}).get("USERNAME"))
    if user is not None:
        request = {"validationData": data.get("ClientMetadata") or {}, "userNotFound": False}
        _run("PreAuthentication", pool_id, data["ClientId"], user, request)
