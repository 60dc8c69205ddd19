"""A function writes its log with its role's permissions: without ``logs:CreateLogGroup`` a removed group stays removed.

ministack makes the group again whatever the role may do.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import cloudwatch_logs, lambda_svc

from local_cloud.role_policies import role_policies_allow

NEEDS = {
    cloudwatch_logs: ("_log_groups", "_make_group_arn"),
    iam_evaluator: ("_gather_role_policies",),
    lambda_svc: ("_emit_lambda_logs",),
}


def install() -> None:
    """Drop what a function writes to a group that is not there and that its role may not make."""
    emit = lambda_svc._emit_lambda_logs

    def emit_lambda_logs(function: dict[str, Any], *arguments: Any, **details: Any) -> None:
        config = function.get("config") or function
        name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        if name in cloudwatch_logs._log_groups or _may_create(name, config.get("Role", "")):
            emit(function, *arguments, **details)

    lambda_svc._emit_lambda_logs = emit_lambda_logs


def _may_create(log_group: str, role_arn: str) -> bool:
    role_name = role_arn.rpartition("/")[2]
    return role_policies_allow(role_arn, role_name, "logs:CreateLogGroup", cloudwatch_logs._make_group_arn(log_group))
