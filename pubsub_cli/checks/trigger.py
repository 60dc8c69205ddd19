"""The sign-in trigger: may the pool invoke it, is it as deployed, may the functions attach, what does its log say?"""

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
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack import RESTORE, SIGN_IN_FUNCTIONS, DeployedFunction, Function, log_group_of
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, passed, warning
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.roles import read_simulation, role_name
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ContextEntryTypeDef
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from types_boto3_logs import CloudWatchLogsClient

_ATTACH = "iot:AttachPolicy"
_COGNITO = "cognito-idp.amazonaws.com"
_ATTACHING = frozenset({Function.TRIGGER, Function.WORKER, Function.SELF_ATTACH, Function.SWEEP})
_SIGN_IN_EXECUTIONS = 2
"""Concurrent executions of the trigger in one sign-in: the internal sign-in invokes it again."""


class PoolMayInvoke(BlockingCheck):
    """Each function's resource-based policy must allow Cognito to invoke it.

    Otherwise every sign-in fails with an UnexpectedLambdaException.
    """

    id = "PS114"
    group = Group.PROVISIONING
    title = "the user pool may invoke its trigger functions"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        """Read the resource-based policies of the functions."""
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
    """Another handler, changed variables, less time or less memory can fail the sign-in.

    So can a reserved concurrency below two. More time or memory and other runtimes pass. `cdk deploy` does not detect
    manual changes.
    """

    id = "PS119"
    group = Group.PROVISIONING
    title = "the sign-in functions are as deployed"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        """Compare the functions with the stack's template."""
        harmless: list[str] = []
        for function in context.functions_of(SIGN_IN_FUNCTIONS):
            if found := why_it_differs(context, function):
                return found
            changed = changed_settings(function).items()
            harmless += [f"{function.name}: {name} {current} instead of {was}" for name, (current, was) in changed]
            concurrency = function.reserved_concurrency
            if concurrency is not None and concurrency < _SIGN_IN_EXECUTIONS:
                return failed(
                    f"The reserved concurrency of {function.name} is {concurrency}. An internal sign-in needs two "
                    "executions at once; Lambda throttles further ones, and the sign-in fails.",
                    resource=function.name,
                    fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": function.name}),
                )
        return passed(", ".join(harmless) or None)


class FunctionsMayAttach(Check):
    """The roles of trigger, worker, self-attach and sweep must allow iot:AttachPolicy.

    Otherwise sign-ins succeed, but their attachments move to the dead-letter queue.
    """

    id = "PS118"
    group = Group.PROVISIONING
    title = "the functions are permitted to attach IoT policies"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Have IAM simulate the call."""
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
            f"It is not known whether the role {role} allows {_ATTACH}: it depends on {', '.join(decision.missing)}. "
            f"If it does not, {function.name} attaches no policies.",
            resource=role,
            fix="See whether the condition is met for the function",
        )
    cause, fix = _reason_and_fix(role, decision)
    return failed(
        f"The role {role} does not allow {_ATTACH} ({cause}), so {function.name} attaches no policies.",
        resource=role,
        fix=fix,
    )


def _reason_and_fix(role: str, decision: AwsDecision) -> tuple[str, Fix]:
    if decision.by_organization:
        fix = f"Ask who administers the AWS organization: its policies for this account must allow {_ATTACH}"
        return "a policy of the AWS organization does not allow it", fix
    if decision.by_boundary:
        get_role = AwsCommand("iam", "GetRole", {"RoleName": role})
        return "its permissions boundary does not allow it", [
            f"Allow {_ATTACH} in the permissions boundary that this command names, or remove it from the role:",
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
"""Seconds of the log that are read to find the last entry, one window after the other."""
_LAMBDA_FAILURE = re.compile(r"Task timed out after [\d.]+ seconds|\[ERROR\] .*|Runtime\.\w+.*|\w+Error: .*")
"""https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html"""

_SELF_ATTACH_REQUIRED = {"FederatedUserError", "MfaUserError", "UnexpectedChallengeError"}
"""Reasons for which the trigger cannot sign a user in: another identity provider, MFA."""
_NOT_ATTACHED = {"Queued", "Failed"}
_THROTTLED = {"ThrottlingException", "TooManyRequestsException"}


def diagnose_sign_in(context: Context) -> tuple[str, Fix]:
    """Return why the run's sign-in attached nothing, by the trigger's log, and the fix."""
    name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    since = sign_in_time(context) or time.time()
    try:
        function = context.aws.functions.get_function_configuration(FunctionName=name)
        lines = read_lines(context.aws.logs, log_group_of(function), since, timeout=LOG_SECONDS)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return (
            f"The reason is unknown: {error.operation_name} answered {code}.",
            f"Read the log of function {name} from the time of this run, with credentials that have the permission.",
        )
    # A failure if there is one, otherwise the last line. The line names no user; in a busy pool it can be about another
    # user who signed in at the same time.
    failures = [each for each in lines if each["outcome"] in _NOT_ATTACHED]
    line = next(iter(failures or reversed(lines)), None)
    if line is not None and line["outcome"] == "Attached":
        parameters = {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id}
        return (
            "The trigger reports that it attached the policy: it was detached since, or attached to another identity.",
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
    """Return why the trigger did not attach the policy, by a line of its log, and the fix.

    Args:
        line: the line; None if there is none.
        function: the trigger.
        since: start of the relevant part of the log, in seconds since the epoch.
    """
    name, show_log = function["FunctionName"], read_log(log_group_of(function), since)
    if line is None:
        return (
            f"The trigger {name} has logged nothing about this sign-in: it was not invoked, or failed at its start.",
            show_log,
        )
    outcome, reason = line["outcome"], line.get("reason")
    later = " The retry queue's worker tries again." if outcome == "Queued" else ""
    operation, _, code = (reason or "").partition(": ")
    fix: Fix = show_log
    if operation in _SELF_ATTACH_REQUIRED:
        fix = "Give the user's ID token: pubsub attach --id-token FILE"
    elif operation == "DeadlineExceededError" or code in _THROTTLED:
        fix = "Run it again: the time was up, or AWS throttled the calls."
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
    """Return the command that shows a log from a time on, in seconds since the epoch."""
    return AwsCommand("logs", "FilterLogEvents", {"logGroupName": log_group, "startTime": int(since * 1000)})


def read_lines(
    logs: CloudWatchLogsClient, log_group: str, start: float, end: float | None = None, *, timeout: float = 0.0
) -> list[dict[str, Any]]:
    """Return the trigger's lines of a period; none if the log group does not exist.

    Args:
        logs: CloudWatch Logs.
        log_group: the trigger's log group.
        start: start of the period, in seconds since the epoch.
        end: its end; None for now.
        timeout: seconds to wait for a line.

    Raises:
        botocore.exceptions.ClientError: the log cannot be read.
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
    """Return whether a line reports that the event carried a current marker."""
    return line["outcome"] == "Skipped" and "marker" in str(line.get("reason"))


def last_log_entry(logs: CloudWatchLogsClient, log_group: str) -> tuple[dict[str, Any] | str, float] | None:
    """Return the trigger's last result within an hour; None if there is none or no log group.

    The result is the trigger's line, or Lambda's message of how it failed; with the time in seconds since the epoch.
    The log of a busy pool is long: earlier windows are read only if the later ones have no result.

    Raises:
        botocore.exceptions.ClientError: the log cannot be read.
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
    """Return the trigger's report in a line of its log; None for any other line."""
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "outcome" in line else None
