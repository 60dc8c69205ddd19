"""Logs attachments as JSON lines in CloudWatch's embedded metric format. Does not import the AWS SDK.

A line must not identify the user: no user name, token, secret or identity id.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

NAMESPACE = "AmplifyPubSub"
OUTCOMES = ("Attached", "Queued", "Skipped", "Failed")


def emit_metrics(
    counts: Mapping[str, int],
    *,
    source: str,
    request_id: str,
    seconds: float,
    outcome: str | None = None,
    reason: str | None = None,
) -> None:
    """Write one line about attachments.

    Args:
        counts: the number of attachments by outcome (:data:`OUTCOMES`); missing outcomes count 0.
        source: the function, as a dimension next to the stack's name: ``sign-in``, ``retry``, ``self-attach`` or
            ``sweep``.
        request_id: the request id of the invocation.
        seconds: the duration; at sign-in it includes a cold start.
        outcome: the outcome, if there was one attachment.
        reason: why the policy was not attached, or which step is missing.
    """
    write_metrics(
        {"Source": source},
        {**dict.fromkeys(OUTCOMES, "Count"), "Duration": "Milliseconds"},
        {
            **({"outcome": outcome} if outcome else {}),
            "reason": reason,
            "requestId": request_id,
            **{name: counts.get(name, 0) for name in OUTCOMES},
            "Duration": round(seconds * 1000, 1),
        },
    )


def write_metrics(dimensions: Mapping[str, str], units: Mapping[str, str], members: Mapping[str, Any]) -> None:
    """Write one line of any metrics of the stack.

    Args:
        dimensions: dimensions in addition to the stack's name.
        units: the unit of each metric.
        members: the values of the metrics, and other members of the line.
    """
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack", *dimensions]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "Stack": os.environ["STACK_NAME"],
        **dimensions,
        **members,
    }
    # In one write: Lambda's runtime flushes after each write, and two writes could become two log records.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
