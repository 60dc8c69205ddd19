"""The PreAuthentication trigger is fired when a sign-in begins, before anything is proven, and its error refuses it.

ministack never fires it. AWS lists it among the triggers of ``InitiateAuth`` and ``AdminInitiateAuth``, which pass
their ``ClientMetadata`` to it as ``validationData``, and leaves no flow out. In 2020 people reported that AWS did not
fire it in custom flows. Its error is answered as that of every trigger.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-authentication.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminInitiateAuth.html
https://github.com/aws-amplify/amplify-js/issues/5318
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cognito

from local_cloud.patches.post_authentication import TriggerFailedError, invoke

NEEDS = {
    cognito: (
        "_admin_initiate_auth",
        "_attr_list_to_dict",
        "_initiate_auth",
        "_pool_for_client",
        "_pool_region",
        "_resolve_user",
    )
}

Operation = Callable[[dict[str, Any]], Any]

_TRIGGER = "PreAuthentication"
_REFRESHES = {"REFRESH_TOKEN", "REFRESH_TOKEN_AUTH"}


def install() -> None:
    """Fire the trigger before either operation begins a sign-in."""
    for operation in ("_initiate_auth", "_admin_initiate_auth"):
        setattr(cognito, operation, _after_the_trigger(getattr(cognito, operation)))


def _after_the_trigger(operation: Operation) -> Operation:
    def begin(data: dict[str, Any]) -> Any:
        try:
            _fire(data)
        except TriggerFailedError as failure:
            return error_response_json(failure.code, str(failure), 400)
        return operation(data)

    return begin


def _fire(data: dict[str, Any]) -> None:
    pool, pool_id = cognito._pool_for_client(data.get("ClientId"))
    function_arn = ((pool or {}).get("LambdaConfig") or {}).get(_TRIGGER)
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
    answer = invoke(_TRIGGER, function_arn, pool_id, event)
    if not isinstance(answer, dict):
        raise TriggerFailedError("InvalidLambdaResponseException", "Unrecognizable lambda output")
