"""One JSON line for each sign-in: CloudWatch reads it as a log record and, by its ``_aws`` member, as metrics.

Nothing in it may tell who signed in: no user name, token, secret or identity id. AWS's error messages can quote
identity ids, so of an error only its code and operation are written.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import time

NAMESPACE = "AmplifyPubSub"
OUTCOMES = ("Attached", "Skipped", "Failed")


def cause(error: BaseException) -> str:
    """Name an error without quoting it: ``AttachPolicy: ThrottlingException``, else the class of the error."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    operation = getattr(error, "operation_name", None)
    return f"{operation}: {code}" if code and operation else type(error).__name__


def report(outcome: str, *, stack: str, request_id: str, seconds: float, reason: str | None = None) -> None:
    """Write the line.

    Args:
        outcome: one of :data:`OUTCOMES`; it counts 1 in the metric of its name, the others count 0.
        stack: the stack's name, the metrics' dimension.
        request_id: the invocation's id, to find the rest of its log.
        seconds: how long the function has worked on the sign-in, its own start included.
        reason: why it was skipped or failed, or what is left to do.
    """
    counts = {name: int(name == outcome) for name in OUTCOMES}
    metrics = [{"Name": name, "Unit": "Count"} for name in OUTCOMES]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack"]],
        "Metrics": [*metrics, {"Name": "Duration", "Unit": "Milliseconds"}],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "Stack": stack,
        "outcome": outcome,
        "reason": reason,
        "requestId": request_id,
        **counts,
        "Duration": round(seconds * 1000, 1),
    }
    print(json.dumps(line), flush=True)
