"""The AWS SDK's clients of the attachment functions: time limits, AWS IoT, and sessions for abandonable work.

Importing this module imports the AWS SDK.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError

from attachment.deadline import AbandonedError

if TYPE_CHECKING:
    import threading

    from botocore.awsrequest import AWSResponse
    from types_boto3_iot import IoTClient

# The SDK's service descriptions take time to read. All sessions share them; the loader has no locks.
_loader = botocore.session.get_session().get_component("data_loader")


def limits(attempts: int, *, threads: int = 1) -> Config:
    """Return a configuration with time limits. The trigger's deadline holds whatever they add up to.

    A function, because a configuration with retries loses their mode when it is merged into another.

    Args:
        attempts: of a call that fails with a retryable error.
        threads: how many call at the same time.
    """
    return Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=threads,
    )


LIMITS = limits(attempts=2)
QUEUE_LIMITS = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
"""For the trigger's last second, in which it queues what it could not attach."""


def abandonable_session(abandoned: threading.Event) -> boto3.Session:
    """Return a session whose clients send no request and return no response once the event is set."""

    def stop(**_: object) -> None:
        if abandoned.is_set():
            raise AbandonedError

    core = botocore.session.get_session()
    core.register_component("data_loader", _loader)
    session = boto3.Session(botocore_session=core)
    session.events.register("before-send", stop)
    session.events.register("after-call", stop)
    return session


def iot_client(*, attempts: int, threads: int = 1, session: boto3.Session | None = None) -> IoTClient:
    """Return a client that rejects responses to AttachPolicy that are not AWS's.

    Args:
        attempts: of a call that fails with a retryable error.
        threads: how many call at the same time.
        session: creates the client; the SDK's default session if omitted.
    """
    config = limits(attempts, threads=threads)
    client = session.client("iot", config=config) if session else boto3.client("iot", config=config)
    client.meta.events.register("after-call.iot.AttachPolicy", _reject_unreadable)
    return client


def has_policy(iot: IoTClient, policy_name: str, target: str) -> bool:
    """Return whether a policy is attached to the target itself.

    A target has at most ten policies, and a page 25:
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListAttachedPolicies.html

    Raises:
        botocore.exceptions.ClientError: AWS IoT refused.
    """
    attached = iot.list_attached_policies(target=target)["policies"]
    return policy_name in {each["policyName"] for each in attached}


def _reject_unreadable(http_response: AWSResponse, **_: object) -> None:
    """Reject a body that is not JSON; the SDK ignores the body because AttachPolicy returns nothing."""
    if http_response.content.strip():
        try:
            json.loads(http_response.content)
        except ValueError:
            raise ResponseParserError("the response to AttachPolicy is not JSON") from None
