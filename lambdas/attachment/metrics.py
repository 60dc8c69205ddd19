"""Logs attachments: one JSON line in CloudWatch's embedded metric format.

The line must not identify the user: no user name, token, secret or identity id. Importing this module imports no SDK.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """Write the line.

    Args:
        counts: how many attachments had each of :data:`OUTCOMES`; outcomes that are missing count 0.
        source: the function: ``sign-in``, ``retry``, ``self-attach`` or ``sweep``. A dimension, as is the stack's name.
        request_id: of the invocation.
        seconds: how long the work took; at sign-in this includes a cold start.
        outcome: the outcome of a single attachment.
        reason: why the policy was not attached, or what is left to do.
    """
    metrics = [{"Name": name, "Unit": "Count"} for name in OUTCOMES]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack", "Source"]],
        "Metrics": [*metrics, {"Name": "Duration", "Unit": "Milliseconds"}],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "Stack": os.environ["STACK_NAME"],
        "Source": source,
        **({"outcome": outcome} if outcome else {}),
        "reason": reason,
        "requestId": request_id,
        **{name: counts.get(name, 0) for name in OUTCOMES},
        "Duration": round(seconds * 1000, 1),
    }
    # One write: Lambda's runtime flushes after each, and two could become two log records.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
