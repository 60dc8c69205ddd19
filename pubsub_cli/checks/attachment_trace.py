"""Why the trigger attached nothing: its own log line says what it did with the sign-in, and why."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pubsub_cli.checks.context import Context
from pubsub_cli.finding import AwsCommand, Fix
from pubsub_cli.iam.roles import role_name
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from types_boto3_logs import CloudWatchLogsClient

# CloudWatch Logs may show a line some seconds after it was written.
LOG_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 1.0
# How far back the log is read, in seconds: no further than to something that tells.
_WINDOWS = (60, 300, 3600)
# https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
_LAMBDA_FAILED = re.compile(r"Task timed out after [\d.]+ seconds|\[ERROR\] .*|Runtime\.\w+.*|\w+Error: .*")

# Reasons for which the trigger cannot sign a user in: another identity provider, a second factor.
_ONLY_BY_THEMSELVES = {"FederatedUserError", "MfaUserError", "UnexpectedChallengeError"}
_NOT_ATTACHED = {"Queued", "Failed"}
_THROTTLED = {"ThrottlingException", "TooManyRequestsException"}


@dataclass(frozen=True)
class Trace:
    """What the trigger tells, and what follows from it."""

    cause: str
    fix: Fix


def why_not_attached(context: Context) -> Trace:
    """Find the trigger's line about this sign-in; what may not be read is told instead."""
    name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    since = sign_in_time(context) or time.time()
    try:
        function = context.aws.functions.get_function_configuration(FunctionName=name)
        log_group = function["LoggingConfig"]["LogGroup"]
        line = _line(context, log_group, since)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return Trace(
            f"Why cannot be told: {error.operation_name} answered {code}.",
            f"Read the log of function {name} with credentials that may, from the time of this run.",
        )
    if line is not None and line["outcome"] == "Attached":
        return Trace(
            "The trigger says it attached the policy: it was detached since, or to another identity.",
            AwsCommand(
                "iot",
                "AttachPolicy",
                {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id},
                safe=True,
            ),
        )
    return explain_line(line, function, since)


def sign_in_time(context: Context) -> float | None:
    """Return when the run's sign-in began, in seconds since the epoch; None where nobody signed in by a password."""
    begun = context.sign_in_started
    return None if begun is None else time.time() - (time.monotonic() - begun)


def explain_line(line: Mapping[str, Any] | None, function: FunctionConfigurationResponseTypeDef, since: float) -> Trace:
    """Return what the trigger's line says, and what follows from it.

    Args:
        line: the line; None if it wrote none.
        function: the trigger.
        since: from when on its log tells more, in seconds since the epoch.
    """
    name, log_group = function["FunctionName"], function["LoggingConfig"]["LogGroup"]
    if line is None:
        return Trace(
            f"The trigger {name} has logged nothing about this sign-in: it was not called, or failed before it began.",
            read_log(log_group, since),
        )
    outcome, reason = line["outcome"], line.get("reason")
    later = " The retry queue's worker tries again." if outcome == "Queued" else ""
    return Trace(
        f"The trigger {name} says: {outcome}, {reason}.{later}",
        _fix(reason, function["Role"], read_log(log_group, since)),
    )


def _line(context: Context, log_group: str, since: float) -> dict[str, Any] | None:
    """Return what the trigger logged since the sign-in began: a failure first, else the last line.

    The line names no user; on a busy pool it may be about somebody else who signed in at the same time.
    """
    deadline = time.monotonic() + LOG_SECONDS
    pages = context.aws.logs.get_paginator("filter_log_events")
    while True:
        answers = pages.paginate(logGroupName=log_group, startTime=int(since * 1000))
        parsed = [parse_line(event.get("message", "")) for answer in answers for event in answer["events"]]
        lines = [line for line in parsed if line is not None]
        failures = [line for line in lines if line["outcome"] in _NOT_ATTACHED]
        if lines or time.monotonic() > deadline:
            return next(iter(failures or reversed(lines)), None)
        time.sleep(_LOOK_EVERY_SECONDS)


def lines_within(
    logs: CloudWatchLogsClient, log_group: str, begin: float, end: float, *, timeout: float = 0.0
) -> list[dict[str, Any]]:
    """Return the lines that the trigger logged in a span of time.

    Args:
        logs: CloudWatch Logs.
        log_group: the trigger's.
        begin: when the span begins, in seconds since the epoch.
        end: when it ends.
        timeout: seconds for which it looks again until there is a line.

    Raises:
        botocore.exceptions.ClientError: the log may not be read.
    """
    deadline = time.monotonic() + timeout
    pages = logs.get_paginator("filter_log_events")
    start, stop = int(begin * 1000), math.ceil(end * 1000)
    while True:
        answers = pages.paginate(logGroupName=log_group, startTime=start, endTime=stop)
        try:
            events = [event for answer in answers for event in answer["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []
        lines = [line for event in events if (line := parse_line(event.get("message", ""))) is not None]
        if lines or time.monotonic() >= deadline:
            return lines
        time.sleep(_LOOK_EVERY_SECONDS)


def was_skipped_for_the_marker(line: Mapping[str, Any]) -> bool:
    """Return whether a line says that the event carried a current marker."""
    return line["outcome"] == "Skipped" and "marker" in str(line.get("reason"))


@dataclass(frozen=True)
class Word:
    """Something that tells how a call of the trigger went.

    Args:
        said: its line; or in Lambda's words how it failed.
        at: when, in seconds since the epoch.
    """

    said: dict[str, Any] | str
    at: float


def last_word(logs: CloudWatchLogsClient, log_group: str) -> Word | None:
    """Return what the trigger said last within an hour; None if the log has nothing, or is not there.

    The log of a busy pool is long: the last minute is read first, and what is before it only if that has nothing.

    Raises:
        botocore.exceptions.ClientError: the log may not be read.
    """
    pages = logs.get_paginator("filter_log_events")
    now = end = time.time()
    for seconds in _WINDOWS:
        begin = now - seconds
        answers = pages.paginate(logGroupName=log_group, startTime=int(begin * 1000), endTime=int(end * 1000))
        try:
            events = [event for answer in answers for event in answer["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return None
        for event in sorted(events, key=lambda each: each["timestamp"], reverse=True):
            message = event["message"].strip()
            if (said := parse_line(message) or _failure(message)) is not None:
                return Word(said, event["timestamp"] / 1000)
        end = begin
    return None


def _failure(message: str) -> str | None:
    found = _LAMBDA_FAILED.search(message)
    return found[0] if found else None


def read_log(log_group: str, since: float) -> AwsCommand:
    """Return the command that reads a log from a time on, in seconds since the epoch."""
    return AwsCommand("logs", "FilterLogEvents", {"logGroupName": log_group, "startTime": int(since * 1000)})


def parse_line(message: str) -> dict[str, Any] | None:
    """Return what the trigger reports in a line of its log; None for any other line."""
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "outcome" in line else None


def allow_attaching(role: str) -> AwsCommand:
    """Return the command that lets a role attach IoT policies."""
    statement = {"Effect": "Allow", "Action": "iot:AttachPolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    return AwsCommand(
        "iam",
        "PutRolePolicy",
        {"RoleName": role, "PolicyName": "AttachPolicy", "PolicyDocument": document},
        safe=True,
    )


def _fix(reason: str | None, role_arn: str, read: Fix) -> Fix:
    operation, _, code = (reason or "").partition(": ")
    if operation in _ONLY_BY_THEMSELVES:
        return "Give an ID token of the user's: pubsub attach --id-token FILE"
    if operation == "DeadlineExceededError" or code in _THROTTLED:
        return "Run it again: it was not done in time, or AWS had too many calls to answer."
    if code.startswith(("AccessDenied", "Unauthorized")) and operation == "AttachPolicy":
        return allow_attaching(role_name(role_arn))
    return read
