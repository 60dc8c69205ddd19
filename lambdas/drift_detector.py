"""Checks that adopted pools still have the deployment's triggers and providers, and reports how many are missing.

It changes nothing, because the drift may be intended. `pubsub doctor` prints the command that repairs it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import boto3

from attachment.clients import limits
from attachment.metrics import write_metrics

_USER_POOL_ID = os.environ["USER_POOL_ID"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_CLIENT_IDS = os.environ["CLIENT_IDS"].split(",")
_TRIGGERS: Mapping[str, str] = json.loads(os.environ["TRIGGERS"])
"""The function ARN of each trigger; empty for a chained trigger, whose own function calls ours."""

_user_pools = boto3.client("cognito-idp", config=limits(attempts=5))
_identity_pools = boto3.client("cognito-identity", config=limits(attempts=5))


def handler(_event: Mapping[str, Any], context: Any) -> None:
    """Check the pools, and log the metric ``PoolDrift`` in CloudWatch's embedded metric format.

    Raises:
        botocore.exceptions.ClientError: a pool does not exist, or cannot be read.
    """
    missing = [*_missing_triggers(), *_missing_providers()]
    request_id = getattr(context, "aws_request_id", "")
    members = {"PoolDrift": len(missing), "missing": missing, "requestId": request_id}
    write_metrics({}, {"PoolDrift": "Count"}, members)


def _missing_triggers() -> Iterator[str]:
    configured = _user_pools.describe_user_pool(UserPoolId=_USER_POOL_ID)["UserPool"].get("LambdaConfig", {})
    for trigger, function_arn in _TRIGGERS.items():
        current = configured.get(trigger)
        if current != function_arn if function_arn else not current:
            yield trigger


def _missing_providers() -> Iterator[str]:
    pool = _identity_pools.describe_identity_pool(IdentityPoolId=_IDENTITY_POOL_ID)
    current = {each.get("ClientId") for each in pool.get("CognitoIdentityProviders", [])}
    yield from (f"provider {client_id}" for client_id in _CLIENT_IDS if client_id not in current)
