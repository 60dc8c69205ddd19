"""Why the trigger attached nothing: its own log line says what it did with the sign-in, and why."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context

# CloudWatch Logs may show a line some seconds after it was written.
_LOG_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Trace:
    """What the trigger tells, and what follows from it."""

    cause: str
    fix: str


def why_not_attached(context: Context) -> Trace:
    """Find the trigger's line about this sign-in.

    Raises:
        botocore.exceptions.ClientError: the function or its log cannot be read.
    """
    name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    function = context.aws.functions.get_function_configuration(FunctionName=name)
    log_group = function["LoggingConfig"]["LogGroup"]
    line = _line(context, log_group)
    if line is None:
        return Trace(
            f"The trigger {name} has logged nothing about this sign-in: it was not called, or failed before it began.",
            f"aws logs tail {log_group} --since 10m",
        )
    outcome, reason = line.get("outcome"), line.get("reason")
    if outcome == "Attached":
        return Trace(
            "The trigger says it attached the policy: it was detached since, or to another identity.",
            f"aws iot attach-policy --policy-name {context.output(Output.POLICY_NAME)} --target {context.identity_id}",
        )
    return Trace(f"The trigger {name} says: {outcome}, {reason}.", _fix(reason, function["Role"], log_group))


def _line(context: Context, log_group: str) -> dict[str, Any] | None:
    """Return the last line about a first sign-in since this run's sign-in began."""
    since = time.time() - (time.monotonic() - context.sign_in_started)
    deadline = time.monotonic() + _LOG_SECONDS
    while True:
        answer = context.aws.logs.filter_log_events(logGroupName=log_group, startTime=int(since * 1000))
        lines = [_parse(event.get("message", "")) for event in answer["events"]]
        found = [line for line in lines if line is not None]
        if found or time.monotonic() > deadline:
            return found[0] if found else None
        time.sleep(_LOOK_EVERY_SECONDS)


def _parse(message: str) -> dict[str, Any] | None:
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "outcome" in line else None


def _fix(reason: str | None, role_arn: str, log_group: str) -> str:
    operation, _, code = (reason or "").partition(": ")
    if code.startswith(("AccessDenied", "Unauthorized")) and operation == "AttachPolicy":
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "iot:AttachPolicy", "Resource": "*"}],
        }
        role = role_arn.rpartition("/")[2]
        return (
            f"aws iam put-role-policy --role-name {role} --policy-name AttachPolicy "
            f"--policy-document '{json.dumps(document, separators=(',', ':'))}'"
        )
    return f"aws logs tail {log_group} --since 10m"
