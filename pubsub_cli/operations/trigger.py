"""Runs the PostAuthentication trigger for a user who is not signing in, and reads what it did."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.attachment_trace import explain_line, parse_line, read_log
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import not_done
from pubsub_cli.pool_users import PoolUser
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import InvocationResponseTypeDef


def run_trigger(deployment: Deployment, user: PoolUser) -> None:
    """Let the trigger attach the policy and mark the user.

    The event has no marker among the user's attributes, so the trigger does not take the user for attached.

    Raises:
        OperationError: it did not attach, or could not mark the user; with the cause it tells.
        botocore.exceptions.ClientError: it may not be invoked.
    """
    functions = deployment.aws.functions
    name = deployment.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    function = functions.get_function_configuration(FunctionName=name)
    begun = time.time()
    answer = functions.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(_event(deployment, user)))
    if answer.get("FunctionError"):
        raise not_done(
            f"The trigger {name} failed: {_error(answer)}.",
            resource=user.name,
            fix=read_log(function["LoggingConfig"]["LogGroup"], begun),
        )
    line = _line(answer)
    if line is None or line["outcome"] != "Attached" or line["reason"] is not None:
        trace = explain_line(line, function, begun)
        raise not_done(trace.cause, resource=user.name, fix=trace.fix)


def _event(deployment: Deployment, user: PoolUser) -> dict[str, Any]:
    """Return what Cognito would send.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
    """
    return {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": deployment.output(Output.REGION),
        "userPoolId": deployment.output(Output.USER_POOL_ID),
        "userName": user.name,
        "callerContext": {
            "awsSdkVersion": "pubsub",
            "clientId": deployment.output(Output.USER_POOL_CLIENT_ID),
        },
        "request": {
            "userAttributes": {**user.attributes, "cognito:user_status": user.status},
            "newDeviceUsed": False,
        },
        "response": {},
    }


def _error(answer: InvocationResponseTypeDef) -> str:
    told = json.loads(answer["Payload"].read())
    return f"{told.get('errorType', answer['FunctionError'])}: {told.get('errorMessage', 'no message')}"


def _line(answer: InvocationResponseTypeDef) -> dict[str, Any] | None:
    """Return the trigger's line from the end of the invocation's log."""
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    parsed = [parse_line(line) for line in log.splitlines()]
    return next((line for line in reversed(parsed) if line is not None), None)
