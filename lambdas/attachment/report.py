"""One JSON line for each attachment: CloudWatch reads it as a log record and, by its ``_aws`` member, as metrics.

Nothing in it may tell who signed in: no user name, token, secret or identity id. AWS's error messages can quote
identity ids, so of an error only its code and operation are written.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "AmplifyPubSub"
OUTCOMES = ("Attached", "Queued", "Skipped", "Failed")


# Cognito's words for a trigger that raised an error; what follows them is the trigger's own text.
_TRIGGER_FAILED = re.compile(
    "(PreSignUp|PreAuthentication|PostAuthentication|PreTokenGeneration|UserMigration|CustomMessage"
    "|DefineAuthChallenge|CreateAuthChallenge|VerifyAuthChallengeResponse) failed with error "
)
# Which code comes with them is reported differently for PreAuthentication: https://github.com/floci-io/floci/issues/3851
_WITH_CODES = ("UserLambdaValidationException", "NotAuthorizedException")


def cause(error: BaseException) -> str:
    """Name an error without quoting it: ``AttachPolicy: ThrottlingException``, else the class of the error.

    Of a user pool's trigger that refuses a sign-in its kind is added: ``(PreAuthentication)``.
    """
    code = _response(error).get("Error", {}).get("Code")
    operation = getattr(error, "operation_name", None)
    trigger = refusing_trigger(error)
    named = f"{operation}: {code}" if code and operation else type(error).__name__
    return f"{named} ({trigger})" if trigger else named


def refusing_trigger(error: BaseException) -> str | None:
    """Return the kind of the user pool's trigger whose error Cognito passes on, such as ``PreAuthentication``."""
    told = _response(error).get("Error", {})
    if told.get("Code") not in _WITH_CODES:
        return None
    found = _TRIGGER_FAILED.match(told.get("Message") or "")
    return found[1] if found else None


def _response(error: BaseException) -> Mapping[str, Any]:
    return getattr(error, "response", None) or {}  # the SDK's errors of a connection have one that is None


def report(
    outcome: str, *, source: str, stack: str, request_id: str, seconds: float, reason: str | None = None
) -> None:
    """Write the line of one attachment.

    Args:
        outcome: one of :data:`OUTCOMES`; it counts 1 in the metric of its name, the others count 0.
        source: which function it is: ``sign-in``, ``retry`` or ``self-attach``; with the stack the metrics' dimensions.
        stack: the stack's name.
        request_id: the invocation's id, to find the rest of its log.
        seconds: how long the function has worked on it; at sign-in its own start included.
        reason: why it was not attached, or what is left to do.
    """
    _write({outcome: 1}, {"outcome": outcome}, source, stack, request_id, seconds, reason)


def report_counts(
    counts: Mapping[str, int], *, source: str, stack: str, request_id: str, seconds: float, reason: str | None = None
) -> None:
    """Write the line of many attachments.

    Args:
        counts: how many there were of each of :data:`OUTCOMES`.
        source: which function it is: ``sweep``; with the stack the metrics' dimensions.
        stack: the stack's name.
        request_id: the invocation's id, to find the rest of its log.
        seconds: how long the function has worked.
        reason: why it cannot go on, if so.
    """
    _write(counts, {}, source, stack, request_id, seconds, reason)


def _write(
    counts: Mapping[str, int],
    members: Mapping[str, str],
    source: str,
    stack: str,
    request_id: str,
    seconds: float,
    reason: str | None,
) -> None:
    metrics = [{"Name": name, "Unit": "Count"} for name in OUTCOMES]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack", "Source"]],
        "Metrics": [*metrics, {"Name": "Duration", "Unit": "Milliseconds"}],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "Stack": stack,
        "Source": source,
        **members,
        "reason": reason,
        "requestId": request_id,
        **{name: counts.get(name, 0) for name in OUTCOMES},
        "Duration": round(seconds * 1000, 1),
    }
    # In a single write: Lambda's runtime flushes after each, and nothing may come between the line and its end.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
