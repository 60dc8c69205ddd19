"""A state machine invokes functions and starts executions, and a rule starts it, with the role of each and no more.

ministack asks for no permission.
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-iam-roles.html
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, stepfunctions

from local_cloud.role_policies import role_policies_allow

NEEDS = {
    stepfunctions: ("_execute_task", "_invoke_resource", "_ExecutionError"),
    eventbridge: ("_invoke_target",),
}

_START = "states:StartExecution"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Needed:
    """What a task needs, and the error and service of its denial in Step Functions' words."""

    action: str
    resource_arn: str
    error: str
    service: str


_PRINCIPAL_ARN: ContextVar[str | None] = ContextVar("principal_arn", default=None)


def install() -> None:
    """Ask the roles before a task and before a rule's target."""
    execute, invoke_resource = stepfunctions._execute_task, stepfunctions._invoke_resource
    invoke_target = eventbridge._invoke_target

    def execute_task(state: Any, given: Any, execution: dict[str, Any], context: Any) -> Any:
        role_arn = execution["events"][0]["executionStartedEventDetails"]["roleArn"]
        token = _PRINCIPAL_ARN.set(_session_arn(role_arn, execution["name"]))
        try:
            return execute(state, given, execution, context)
        finally:
            _PRINCIPAL_ARN.reset(token)

    def invoke_permitted_resource(resource: str, given: Any) -> Any:
        principal_arn, needed = _PRINCIPAL_ARN.get(), _needed(resource, given)
        if principal_arn and needed and not _allowed(principal_arn, needed.action, needed.resource_arn):
            raise stepfunctions._ExecutionError(
                needed.error,
                f"User: {principal_arn} is not authorized to perform: {needed.action} on resource: "
                f"{needed.resource_arn} because no identity-based policy allows the {needed.action} action "
                f"(Service: {needed.service}; Error Code: AccessDeniedException)",
            )
        return invoke_resource(resource, given)

    def invoke_permitted_target(target: dict[str, Any], *details: Any) -> None:
        arn, role_arn = target["Arn"], target.get("RoleArn", "")
        if ":states:" in arn and not _allowed(_session_arn(role_arn, "rule"), _START, arn):
            _LOG.warning("EventBridge: role %r may not start %s", role_arn, arn)
            return
        invoke_target(target, *details)

    stepfunctions._execute_task = execute_task
    stepfunctions._invoke_resource = invoke_permitted_resource
    eventbridge._invoke_target = invoke_permitted_target


def _needed(resource: str, given: Any) -> _Needed | None:
    if ":::states:startExecution" in resource:
        return _Needed(_START, given["StateMachineArn"], "StepFunctions.AWSStepFunctionsException", "AWSStepFunctions")
    function = given["FunctionName"] if ":::lambda:invoke" in resource else resource
    if function is resource and ":function:" not in resource:
        return None
    arn = function if function.startswith("arn:") else _function_arn(function)
    return _Needed("lambda:InvokeFunction", arn, "Lambda.AWSLambdaException", "AWSLambda")


def _function_arn(name: str) -> str:
    return f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"


def _session_arn(role_arn: str, session_name: str) -> str:
    return f"arn:aws:sts::{get_account_id()}:assumed-role/{role_arn.rpartition('/')[2]}/{session_name}"


def _allowed(principal_arn: str, action: str, resource_arn: str) -> bool:
    return role_policies_allow(principal_arn, principal_arn.split("/")[1], action, resource_arn)
