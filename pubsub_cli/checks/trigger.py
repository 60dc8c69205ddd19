"""Checks of the sign-in trigger: its invoke permission, its configuration and the permission to attach; its log."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.functions import (
    SignInFunctionsCanRun,
    allow_invocation,
    changed_settings,
    may_invoke,
    why_it_differs,
)
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, passed, warning
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.roles import read_simulation, role_name
from pubsub_cli.stack import RESTORE, SIGN_IN_FUNCTIONS, DeployedFunction, Function, log_group_of
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ContextEntryTypeDef
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from types_boto3_logs import CloudWatchLogsClient

_ATTACH = "iot:AttachPolicy"
_COGNITO = "cognito-idp.amazonaws.com"
_ATTACHING = frozenset({Function.TRIGGER, Function.WORKER, Function.SELF_ATTACH, Function.SWEEP})
_SIGN_IN_EXECUTIONS = 2
"""Concurrent executions of the trigger in one sign-in, because the internal sign-in invokes it again."""


class PoolMayInvoke(BlockingCheck):
    """Each function's resource-based policy must allow Cognito to invoke it. Otherwise every sign-in fails with an
    UnexpectedLambdaException.
    """

    id = "PS114"
    group = Group.PROVISIONING
    title = "the user pool may invoke its trigger functions"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        pool_id = context.output(Output.USER_POOL_ID)
        pool_arn = f"{context.arn_prefix('cognito-idp')}:userpool/{pool_id}"
        for function in context.functions_of(SIGN_IN_FUNCTIONS):
            if not may_invoke(context, function.name, _COGNITO, pool_arn):
                return failed(
                    f"User pool {pool_id} may not invoke {function.name}: every sign-in fails.",
                    resource=function.name,
                    fix=allow_invocation(function.name, "CognitoInvokes", _COGNITO, pool_arn),
                )
        return passed()


class TriggerIsAsDeployed(BlockingCheck):
    """Another handler, changed variables, less time or memory, or a reserved concurrency below two can fail the
    sign-in. More time or memory and other runtimes pass. `cdk deploy` does not detect manual changes.
    """

    id = "PS119"
    group = Group.PROVISIONING
    title = "the sign-in functions are as deployed"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        harmless: list[str] = []
        for function in context.functions_of(SIGN_IN_FUNCTIONS):
            if found := why_it_differs(context, function):
                return found
            changed = changed_settings(function).items()
            harmless += [f"{function.name}: {name} {current} instead of {was}" for name, (current, was) in changed]
            concurrency = function.reserved_concurrency
            if concurrency is not None and concurrency < _SIGN_IN_EXECUTIONS:
                return failed(
                    f"The reserved concurrency of {function.name} is {concurrency}. A sign-in needs two executions at "
                    "once, so Lambda throttles the second, and the sign-in fails.",
                    resource=function.name,
                    fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": function.name}),
                )
        return passed(", ".join(harmless) or None)


class FunctionsMayAttach(Check):
    """The roles of trigger, worker, self-attach and sweep must allow iot:AttachPolicy. Otherwise attachments move to
    the dead-letter queue.
    """

    id = "PS118"
    group = Group.PROVISIONING
    title = "the functions are permitted to attach IoT policies"
    depends_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        functions = await asyncio.to_thread(context.functions_of, _ATTACHING)
        if not functions:
            cause = f"The stack {context.stack} has no function that attaches policies."
            return failed(cause, resource=context.stack, fix=RESTORE)
        found = await asyncio.gather(*(asyncio.to_thread(_check_role, context, each) for each in functions))
        return next(filter(None, found), passed(f"{len(functions)} functions"))


def _check_role(context: Context, function: DeployedFunction) -> Finding | None:
    if function.configuration is None:
        return None  # reported by PS127, PS129 and PS606
    role_arn = function.configuration["Role"]
    # Organizations often deny by region.
    entries: list[ContextEntryTypeDef] = [
        {
            "ContextKeyName": "aws:RequestedRegion",
            "ContextKeyType": "string",
            "ContextKeyValues": [context.output(Output.REGION)],
        },
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]},
    ]
    simulated = context.aws.iam.simulate_principal_policy(
        PolicySourceArn=role_arn, ActionNames=[_ATTACH], ContextEntries=entries
    )
    (result,) = simulated["EvaluationResults"]
    decision, role = read_simulation(result), role_name(role_arn)
    if decision.outcome is Outcome.ALLOWED:
        return None
    if decision.missing:
        return warning(
            f"It is unknown whether the role {role} allows {_ATTACH}: it depends on {', '.join(decision.missing)}. "
            f"If not, {function.name} attaches no policies.",
            resource=role,
            fix="Check that the condition is met for the function",
        )
    cause, fix = _reason_and_fix(role, decision)
    return failed(
        f"The role {role} does not allow {_ATTACH} ({cause}), so {function.name} attaches no policies.",
        resource=role,
        fix=fix,
    )


def _reason_and_fix(role: str, decision: AwsDecision) -> tuple[str, Fix]:
    if decision.by_organization:
        fix = f"Ask the administrators of the AWS organization to allow {_ATTACH} in this account"
        return "a policy of the AWS organization does not allow it", fix
    if decision.by_boundary:
        get_role = AwsCommand("iam", "GetRole", {"RoleName": role})
        return "its permissions boundary does not allow it", [
            f"Allow {_ATTACH} in the permissions boundary that this command shows, or remove the boundary:",
            get_role,
        ]
    if decision.outcome is Outcome.IMPLICIT_DENY:
        return decision.outcome, allow_attach(role)
    return decision.outcome, [
        "Remove the deny from the policy that contains it:",
        AwsCommand("iam", "ListRolePolicies", {"RoleName": role}),
        AwsCommand("iam", "ListAttachedRolePolicies", {"RoleName": role}),
    ]


LOG_SECONDS = 15.0
"""CloudWatch Logs can show a line some seconds after it was written."""
_POLL_SECONDS = 1.0
_WINDOWS = (60, 300, 3600)
"""How many seconds of the log are read to find the last entry. A longer window is read only if it is needed."""
_LAMBDA_FAILURE = re.compile(r"Task timed out after [\d.]+ seconds|\[ERROR\] .*|Runtime\.\w+.*|\w+Error: .*")
"""https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html"""

_SELF_ATTACH_REQUIRED = {"FederatedUserError", "MfaUserError", "UnexpectedChallengeError"}
"""Reasons why the trigger makes no internal sign-in for a user: federated, or MFA."""
_NOT_ATTACHED = {"Queued", "Failed"}
_THROTTLED = {"ThrottlingException", "TooManyRequestsException"}


def diagnose_sign_in(context: Context) -> tuple[str, Fix]:
    """Return from the trigger's log why this run's sign-in attached nothing, and the fix."""
    name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    since = sign_in_time(context) or time.time()
    try:
        function = context.aws.functions.get_function_configuration(FunctionName=name)
        lines = read_lines(context.aws.logs, log_group_of(function), since, timeout=LOG_SECONDS)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return (
            f"The reason is unknown: {error.operation_name} answered {code}.",
            f"Read the log of function {name} from the time of this run, with credentials that permit it.",
        )
    # A line contains no user name, so in a busy pool it can be about another user. A failure is more likely to be ours.
    failures = [each for each in lines if each["outcome"] in _NOT_ATTACHED]
    line = next(iter(failures or reversed(lines)), None)
    if line is not None and line["outcome"] == "Attached":
        parameters = {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id}
        return (
            "The trigger attached the policy, but it was detached since, or attached to another identity.",
            AwsCommand("iot", "AttachPolicy", parameters, safe=True),
        )
    return diagnose_line(line, function, since)


def sign_in_time(context: Context) -> float | None:
    """Return when the run's sign-in began, in seconds since the epoch; None without a sign-in by password."""
    started = context.sign_in_started
    return None if started is None else time.time() - (time.monotonic() - started)


def diagnose_line(
    line: Mapping[str, Any] | None, function: FunctionConfigurationResponseTypeDef, since: float
) -> tuple[str, Fix]:
    """Return from a line of the trigger's log why it did not attach the policy, and the fix.

    Args:
        line: the line; None if there is none.
        function: the trigger.
        since: start of the relevant part of the log, in seconds since the epoch.
    """
    name, show_log = function["FunctionName"], read_log(log_group_of(function), since)
    if line is None:
        return (
            f"The trigger {name} logged nothing for this sign-in: it was not invoked, or failed at its start.",
            show_log,
        )
    outcome, reason = line["outcome"], line.get("reason")
    later = " The retry queue's worker tries again." if outcome == "Queued" else ""
    operation, _, code = (reason or "").partition(": ")
    fix: Fix = show_log
    if operation in _SELF_ATTACH_REQUIRED:
        fix = "Give the user's ID token: pubsub attach --id-token FILE"
    elif operation == "DeadlineExceededError" or code in _THROTTLED:
        fix = "Try again. The trigger ran out of time, or AWS throttled its calls."
    elif code.startswith(("AccessDenied", "Unauthorized")) and operation == "AttachPolicy":
        fix = allow_attach(role_name(function["Role"]))
    return (f"The trigger {name} reports: {outcome}, {reason}.{later}", fix)


def allow_attach(role: str) -> AwsCommand:
    """Return the command that lets a role attach IoT policies."""
    statement = {"Effect": "Allow", "Action": "iot:AttachPolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    parameters = {"RoleName": role, "PolicyName": "AttachPolicy", "PolicyDocument": document}
    return AwsCommand("iam", "PutRolePolicy", parameters, safe=True)


def read_log(log_group: str, since: float) -> AwsCommand:
    """Return the command that shows a log since a time in seconds since the epoch."""
    return AwsCommand("logs", "FilterLogEvents", {"logGroupName": log_group, "startTime": int(since * 1000)})


def read_lines(
    logs: CloudWatchLogsClient, log_group: str, start: float, end: float | None = None, *, timeout: float = 0.0
) -> list[dict[str, Any]]:
    """Return the lines that the trigger logged in a period; none if the log group does not exist.

    Args:
        logs: CloudWatch Logs.
        log_group: the trigger's log group.
        start: start of the period, in seconds since the epoch.
        end: its end; None for now.
        timeout: seconds to wait for the first line.
    """
    deadline = time.monotonic() + timeout
    pages = logs.get_paginator("filter_log_events")
    until: Any = {} if end is None else {"endTime": math.ceil(end * 1000)}
    while True:
        try:
            events = [
                event
                for page in pages.paginate(logGroupName=log_group, startTime=int(start * 1000), **until)
                for event in page["events"]
            ]
        except logs.exceptions.ResourceNotFoundException:
            return []
        lines = [line for event in events if (line := parse_line(event.get("message", ""))) is not None]
        if lines or time.monotonic() >= deadline:
            return lines
        time.sleep(_POLL_SECONDS)


def is_skipped_by_marker(line: Mapping[str, Any]) -> bool:
    """Return whether the trigger skipped the attachment because the event contained a current marker."""
    return line["outcome"] == "Skipped" and "marker" in str(line.get("reason"))


def last_log_entry(logs: CloudWatchLogsClient, log_group: str) -> tuple[dict[str, Any] | str, float] | None:
    """Return the trigger's last result within an hour, and its time in seconds since the epoch; None if there is none.

    The result is the trigger's line, or Lambda's message about a failure.
    """
    pages = logs.get_paginator("filter_log_events")
    now = end = time.time()
    for seconds in _WINDOWS:
        start = now - seconds
        answers = pages.paginate(logGroupName=log_group, startTime=int(start * 1000), endTime=int(end * 1000))
        try:
            events = [event for answer in answers for event in answer["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return None
        for event in sorted(events, key=lambda each: each["timestamp"], reverse=True):
            message = event["message"].strip()
            failure = _LAMBDA_FAILURE.search(message)
            if (report := parse_line(message) or (failure and failure[0])) is not None:
                return report, event["timestamp"] / 1000
        end = start
    return None


def parse_line(message: str) -> dict[str, Any] | None:
    """Return the trigger's result from a line of its log; None for any other line."""
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "outcome" in line else None
