"""Looks whether adopted pools still have what the deployment has added to them, and reports how much of it is lost.

It mends nothing: whoever has changed the pools may have meant it. `pubsub doctor` names the command that does.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import boto3

from attachment.clients import limits
from attachment.metrics import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STACK = os.environ["STACK_NAME"]
_USER_POOL_ID = os.environ["USER_POOL_ID"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_CLIENT_IDS = os.environ["CLIENT_IDS"].split(",")
_TRIGGERS: Mapping[str, str] = json.loads(os.environ["TRIGGERS"])
"""The function on each trigger; empty where it is another's, which calls ours."""

_user_pools = boto3.client("cognito-idp", config=limits(attempts=5))
_identity_pools = boto3.client("cognito-identity", config=limits(attempts=5))


def handler(_event: Mapping[str, Any], context: Any) -> None:
    """Look once, and write the line that CloudWatch reads as the metric ``WiringLost``.

    Raises:
        botocore.exceptions.ClientError: a pool is gone, or may not be read.
    """
    lost = [*_lost_triggers(), *_lost_providers()]
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack"]],
        "Metrics": [{"Name": "WiringLost", "Unit": "Count"}],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "Stack": _STACK,
        "WiringLost": len(lost),
        "lost": lost,
        "requestId": getattr(context, "aws_request_id", ""),
    }
    print(json.dumps(line), flush=True)


def _lost_triggers() -> Iterator[str]:
    wired = _user_pools.describe_user_pool(UserPoolId=_USER_POOL_ID)["UserPool"].get("LambdaConfig", {})
    for trigger, function_arn in _TRIGGERS.items():
        there = wired.get(trigger)
        stays = there == function_arn if function_arn else bool(there)
        if not stays:
            yield trigger


def _lost_providers() -> Iterator[str]:
    pool = _identity_pools.describe_identity_pool(IdentityPoolId=_IDENTITY_POOL_ID)
    there = {each.get("ClientId") for each in pool.get("CognitoIdentityProviders", [])}
    yield from (f"provider {client_id}" for client_id in _CLIENT_IDS if client_id not in there)
