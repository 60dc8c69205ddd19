"""Executions of state machines stop when they are stopped, and need the permissions of their role."""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, stepfunctions

from local_cloud.patches.iam_policies import role_policies_allow


def install() -> None:
    """Install each part."""
    _keep_executions_stopped()
    _check_role_permissions()


_RUNNING = "RUNNING"


class _StoppedError(BaseException):
    """Ends the thread of an execution, whose states catch only Exception."""


def _keep_executions_stopped() -> None:
    """Keep a stopped execution stopped when its running task returns or fails.

    ministack continues with the task's result, retries a failed task, and changes the status to FAILED.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
    """
    add_event, fail, run = stepfunctions._add_event, stepfunctions._fail_execution, stepfunctions._run_execution

    def add_event_while_running(execution: dict[str, Any], event_type: str, details: Any = None) -> Any:
        if execution["status"] != _RUNNING and not event_type.startswith("Execution"):
            raise _StoppedError
        return add_event(execution, event_type, details)

    def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == _RUNNING:
            fail(execution, error, cause)

    def run_execution(execution_arn: str) -> None:
        with suppress(_StoppedError):
            run(execution_arn)

    stepfunctions._add_event = add_event_while_running
    stepfunctions._fail_execution = fail_execution
    stepfunctions._run_execution = run_execution


_START = "states:StartExecution"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Needed:
    """The permission that a task needs, and the error and service that Step Functions names in its denial."""

    action: str
    resource_arn: str
    error: str
    service: str


_PRINCIPAL_ARN: ContextVar[str | None] = ContextVar("principal_arn", default=None)


def _check_role_permissions() -> None:
    """Check a state machine's role before its tasks, and a rule target's role before it starts a state machine.

    ministack checks neither.
    https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-iam-roles.html
    """
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
