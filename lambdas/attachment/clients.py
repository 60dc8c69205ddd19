"""AWS clients of the attachment functions: their time limits, and sessions for work that may be abandoned.

Imports the AWS SDK.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.parsers import ResponseParserError

from attachment.deadline import AbandonedError

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

# All sessions share the SDK's service models, which take time to read. The loader has no locks.
_loader = botocore.session.get_session().get_component("data_loader")


def limits(attempts: int, *, threads: int = 1) -> Config:
    """Return a client configuration with time limits.

    ``Config.merge`` would lose the retry mode, so each number of attempts has its own configuration.

    Args:
        attempts: attempts per call, if it fails with a retryable error.
        threads: threads that use the client at the same time.
    """
    return Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=threads,
    )


LIMITS = limits(attempts=2)
QUEUE_LIMITS = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
"""For the last second of the trigger, in which it queues the attachment."""


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
    """Return a client that rejects unreadable responses to AttachPolicy.

    Args:
        attempts: attempts per call, if it fails with a retryable error.
        threads: threads that use the client at the same time.
        session: creates the client; default: the SDK's default session.
    """
    config = limits(attempts, threads=threads)
    client = session.client("iot", config=config) if session else boto3.client("iot", config=config)
    client.meta.events.register("after-call.iot.AttachPolicy", _reject_unreadable)
    return client


def has_policy(iot: IoTClient, policy_name: str, target: str) -> bool:
    """Return whether a policy is attached directly to the target.

    One page is enough: it has 25 policies, and a target at most ten.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListAttachedPolicies.html
    """
    attached = iot.list_attached_policies(target=target)["policies"]
    return policy_name in {each["policyName"] for each in attached}


def _reject_unreadable(http_response: AWSResponse, **_: object) -> None:
    """Reject a body that is not JSON. The SDK does not read it, because AttachPolicy returns nothing."""
    if http_response.content.strip():
        try:
            json.loads(http_response.content)
        except ValueError:
            raise ResponseParserError("the response to AttachPolicy is not JSON") from None
