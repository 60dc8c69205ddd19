"""AWS IoT's client as the attachment functions use it. Importing this module imports the AWS SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
from botocore.parsers import ResponseParserError

from attachment.limits import limits

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from types_boto3_iot import IoTClient


def iot_client(*, attempts: int, threads: int = 1, session: boto3.Session | None = None) -> IoTClient:
    """Return a client that takes an answer to AttachPolicy that cannot be read for none, and asks so often.

    Args:
        attempts: how often a call is made that fails in a way that passes.
        threads: how many may call at once.
        session: makes the client; without one the SDK's default session does.
    """
    config = limits(attempts, threads=threads)
    client = session.client("iot", config=config) if session else boto3.client("iot", config=config)
    client.meta.events.register("after-call.iot.AttachPolicy", _refuse_unreadable)
    return client


def has_policy(iot: IoTClient, policy_name: str, target: str) -> bool:
    """Tell whether a policy is attached to a target itself.

    A target has ten policies at most, and a page 25:
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListAttachedPolicies.html

    Raises:
        botocore.exceptions.ClientError: AWS IoT refuses.
    """
    attached = iot.list_attached_policies(target=target)["policies"]
    return policy_name in {each["policyName"] for each in attached}


def _refuse_unreadable(http_response: AWSResponse, **_: object) -> None:
    """Refuse an answer that is not AWS's: the SDK does not look at one that should say nothing."""
    if http_response.content.strip():
        try:
            json.loads(http_response.content)
        except ValueError:
            raise ResponseParserError("the answer cannot be read") from None
