"""Checks of the Lambda functions: their state, configuration and log groups, and the account's concurrency."""

from __future__ import annotations

import fnmatch
import json
import math
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.check import BlockingCheck, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, skipped, warning
from pubsub_cli.stack import DEPLOY_AGAIN, RESTORE, SIGN_IN_FUNCTIONS, DeployedFunction, Function
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import LogGroupTypeDef

_SETTINGS = ("Handler", "MemorySize", "Runtime", "Timeout")
"""Settings with one name in CloudFormation and Lambda."""
_OTHER_FUNCTIONS = frozenset({Function.WORKER, Function.SWEEP, Function.DETACH_ALL, Function.DRIFT_DETECTOR})

_PER_SIGN_IN = 2
"""Concurrent executions of a first sign-in: the trigger, and one function of the internal sign-in after another."""
_SIGN_IN_SECONDS = 2.5
"""The trigger's time budget: stacks/sign_in_attachment.py."""
_ATTACH_RATE = 15
"""AWS IoT's default quota of AttachPolicy per second: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
_OTHER_EXECUTIONS = 3
"""Two workers and the sweep."""
ENOUGH_CONCURRENCY = math.ceil(_ATTACH_RATE * _SIGN_IN_SECONDS * _PER_SIGN_IN) + _OTHER_EXECUTIONS
"""Concurrent executions for as many first sign-ins as AWS IoT attaches."""
_DEFAULT_CONCURRENCY = 1000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


class SignInFunctionsCanRun(BlockingCheck):
    """Cognito fails every sign-in if the trigger was deleted, is in state `Failed`, or has a reserved concurrency of 0.
    An `Inactive` function fails once. Without the challenge function no sign-in attaches the policy.
    """

    id = "PS127"
    group = Group.PROVISIONING
    title = "the sign-in functions can run"
    depends_on = (OutputsAreComplete,)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        functions = context.functions_of(SIGN_IN_FUNCTIONS)
        found = (why_it_cannot_run(each) for each in functions)
        missing = _missing(context, SIGN_IN_FUNCTIONS, functions)
        return missing or next(filter(None, found), None) or passed(f"{len(functions)} functions")


class OtherFunctionsCanRun(BlockingCheck):
    """As PS127 and PS119, for the functions outside the sign-in, such as the drift detector of adopted pools."""

    id = "PS606"
    group = Group.OPERATIONS
    title = "the worker, sweep and bulk detachment functions can run"
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        functions = context.functions_of(_OTHER_FUNCTIONS)
        expected = [Function.SWEEP, Function.DETACH_ALL, *([Function.WORKER] if context.attaches_at_sign_in else [])]
        if missing := _missing(context, expected, functions):
            return missing
        for function in functions:
            if found := why_it_cannot_run(function) or why_it_differs(context, function):
                return found
        return passed(f"{len(functions)} functions")


def _missing(context: Context, expected: Collection[Function], functions: Sequence[DeployedFunction]) -> Finding | None:
    """Return a finding if the stack's template lacks functions."""
    missing = set(expected) - {each.function for each in functions}
    if not missing:
        return None
    return failed(
        f"The template of stack {context.stack} has no function with the handler {', '.join(sorted(missing))}.",
        resource=context.stack,
        fix=DEPLOY_AGAIN,
    )


def why_it_cannot_run(function: DeployedFunction) -> Finding | None:
    """Return why Lambda does not run a function; None if it does.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    name, configuration = function.name, function.configuration
    if configuration is None:
        return failed(f"The function {name} was deleted: {function.impact}.", resource=name, fix=RESTORE)
    if function.reserved_concurrency == 0:
        return failed(
            f"The reserved concurrency of {name} is 0, so Lambda throttles every invocation: {function.impact}.",
            resource=name,
            fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": name}),
        )
    state, updated = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
    reason = f"{configuration.get('StateReasonCode')}: {configuration.get('StateReason')}"
    set_up = AwsCommand(
        "lambda", "UpdateFunctionConfiguration", {"FunctionName": name, "Handler": function.template["Handler"]}
    )
    if state == "Failed":
        return failed(
            f"Lambda cannot run {name} ({reason}): {function.impact}.",
            resource=name,
            fix=["Fix the cause that Lambda reports. Then let Lambda set up the function again:", set_up],
        )
    if state != "Active":
        return warning(
            f"The function {name} is {state}, not Active ({reason}): its next invocation fails.",
            resource=name,
            fix=["Let Lambda set up the function again, and wait until it is Active:", set_up],
        )
    if updated == "Failed":
        return warning(
            f"The last update of {name} failed ({configuration.get('LastUpdateStatusReasonCode')}: "
            f"{configuration.get('LastUpdateStatusReason')}): Lambda runs the previous version.",
            resource=name,
            fix=["Fix the cause that Lambda reports. Then repeat the update:", set_up],
        )
    return None


def why_it_differs(context: Context, function: DeployedFunction) -> Finding | None:
    """Return a finding if a function's configuration differs harmfully from the template; None otherwise."""
    changed = changed_settings(function)
    harmful = {
        name: deployed
        for name, (current, deployed) in changed.items()
        if name == "Handler" or (isinstance(current, int) and isinstance(deployed, int) and current < deployed)
    }
    lost = _lost_variables(context, function)
    differences = [f"{name} {changed[name][0]} instead of {deployed}" for name, deployed in harmful.items()]
    differences += [
        f"{name} {function.environment.get(name, 'missing')} instead of {deployed}" for name, deployed in lost.items()
    ]
    if not differences:
        return None
    variables = {"Environment": {"Variables": {**function.environment, **lost}}} if lost else {}
    return failed(
        f"{function.name} was changed since it was deployed ({', '.join(differences)}). It might fail or time out: "
        f"{function.impact}.",
        resource=function.name,
        fix=AwsCommand(
            "lambda", "UpdateFunctionConfiguration", {"FunctionName": function.name, **harmful, **variables}, safe=True
        ),
    )


def changed_settings(function: DeployedFunction) -> dict[str, tuple[object, object]]:
    """Return the current and the deployed value of each setting that differs from the template."""
    current: Mapping[str, Any] = {**(function.configuration or {})}
    deployed = function.template
    return {
        name: (current.get(name), deployed[name])
        for name in _SETTINGS
        if name in deployed and current.get(name) != deployed[name]
    }


def _lost_variables(context: Context, function: DeployedFunction) -> dict[str, str]:
    """Return the removed and changed environment variables with their values in the template.

    It ignores additional variables, and those that CloudFormation computes from attributes.
    """
    physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in context.resources}
    deployed = function.template.get("Environment", {}).get("Variables", {})
    values = {
        name: value if isinstance(value, str) else physical.get(str(value.get("Ref")))
        for name, value in deployed.items()
    }
    return {name: value for name, value in values.items() if value and function.environment.get(name) != value}


def may_invoke(context: Context, function: str, service: str, source_arn: str) -> bool:
    """Return whether a function's resource-based policy lets a service invoke it for a resource.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    functions = context.aws.functions
    try:
        policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    except functions.exceptions.ResourceNotFoundException:
        return False
    return any(_allows(statement, service, source_arn) for statement in policy["Statement"])


def allow_invocation(function: str, statement_id: str, service: str, source_arn: str) -> AwsCommand:
    """Return the command that lets a service invoke a function for a resource."""
    permission = {
        "FunctionName": function,
        "StatementId": statement_id,
        "Action": "lambda:InvokeFunction",
        "Principal": service,
        "SourceArn": source_arn,
    }
    return AwsCommand("lambda", "AddPermission", permission, safe=True)


def _allows(statement: Mapping[str, Any], service: str, source_arn: str) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service") if isinstance(principal, dict) else principal
    conditions = statement.get("Condition", {})
    sources = [value for test in conditions.values() for key, value in test.items() if key.lower() == "aws:sourcearn"]
    return (
        statement["Effect"] == "Allow"
        and service in (services if isinstance(services, list) else [services])
        and all(fnmatch.fnmatchcase(source_arn, source) for source in sources)
    )


class LogGroupsExist(BlockingCheck):
    """The functions may not create log groups. Without them, the reasons of failed attachments and the metrics behind
    the alarms are lost.
    """

    id = "PS128"
    group = Group.PROVISIONING
    title = "the functions' log groups exist"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        names = {each.log_group: each for each in context.functions_of(frozenset(Function)) if each.configuration}
        if not names:
            return skipped("none of the functions exists")
        existing = _existing_log_groups(context, list(names))
        for name, function in names.items():
            properties = context.template_properties(name)
            days = properties.get("RetentionInDays")
            set_retention = AwsCommand(
                "logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": days}, safe=True
            )
            if name not in existing:
                key = properties.get("KmsKeyId")
                options = {"kmsKeyId": key} if isinstance(key, str) else {}
                return failed(
                    f"The log group {name} does not exist: {function.name} cannot log, and its alarms receive no "
                    "metrics.",
                    resource=name,
                    fix=[
                        AwsCommand("logs", "CreateLogGroup", {"logGroupName": name, **options}, safe=True),
                        *([set_retention] if days else []),
                    ],
                )
            retention = existing[name].get("retentionInDays")
            if days and retention != days:
                return failed(
                    f"The retention of log group {name} is {f'{retention} days' if retention else 'unlimited'}, not "
                    f"{days} days.",
                    resource=name,
                    fix=set_retention,
                )
        return passed(f"{len(names)} log groups")


def _existing_log_groups(context: Context, names: list[str]) -> Mapping[str, LogGroupTypeDef]:
    """Return the existing log groups by name, in one call for names with a common prefix."""
    prefix = os.path.commonprefix(names)  # noqa: RUF071 - of names, not of paths
    describe = context.aws.logs.get_paginator("describe_log_groups")
    # AWS rejects an empty prefix.
    pages = describe.paginate(logGroupNamePrefix=prefix) if prefix else describe.paginate()
    return {each["logGroupName"]: each for page in pages for each in page["logGroups"]}


class ConcurrencySuffices(BlockingCheck):
    """A first sign-in uses two executions. Beyond the quota, Lambda throttles the trigger and Cognito fails the
    sign-in. New AWS accounts can have a quota of 10.

    The check requires 78: 15 attachments a second, each with two executions for 2.5 seconds, and 3 for worker and
    sweep.
    """

    id = "PS131"
    group = Group.PROVISIONING
    title = "Lambda concurrency is enough for first sign-ins"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete,)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        settings = context.aws.functions.get_account_settings()
        limit = settings["AccountLimit"]
        quota, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
        if free >= ENOUGH_CONCURRENCY:
            return passed(f"{free} of {quota} unreserved")
        reserved = f", of which {quota - free} are reserved for single functions" if free < quota else ""
        sign_ins = max(0, free - _OTHER_EXECUTIONS) // _PER_SIGN_IN
        desired = max(_DEFAULT_CONCURRENCY, quota + ENOUGH_CONCURRENCY)
        return failed(
            f"Lambda runs {quota} functions at once in this account and region{reserved}. A first sign-in uses "
            f"{_PER_SIGN_IN}, so {sign_ins} users can sign in for the first time at once. Lambda throttles the trigger "
            f"of the next, and Cognito fails that sign-in. AWS IoT attaches {_ATTACH_RATE} policies a second, which "
            f"needs {ENOUGH_CONCURRENCY} executions.",
            resource=f"Lambda in {context.output(Output.REGION)}",
            fix=[
                "Request the default quota of 1,000:",
                AwsCommand(
                    "service-quotas",
                    "RequestServiceQuotaIncrease",
                    {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384", "DesiredValue": desired},
                ),
            ],
        )
