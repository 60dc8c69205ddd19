"""Custom resource: the account's AWS IoT endpoint, which CloudFormation itself cannot tell.

Always the ATS one: the older endpoint's certificate is no longer trusted by browsers.
https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeEndpoint.html
"""

from __future__ import annotations

from typing import Any

import boto3
from iam_propagation import waits_for_permissions

_iot = boto3.client("iot")


@waits_for_permissions(_iot)
def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Look the endpoint up when the resource is made or changed; there is nothing to delete."""
    answer: dict[str, Any] = {"PhysicalResourceId": "iot-data-ats-endpoint"}
    if event["RequestType"] != "Delete":
        answer["Data"] = {"Address": _iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]}
    return answer
