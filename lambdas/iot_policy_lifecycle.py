"""Custom resource beside an IoT policy: gives it an epoch when it is made, detaches it everywhere before it goes.

The epoch is random and part of every marker: a policy destroyed and made again invalidates all markers, whatever its
name. AWS refuses to delete a policy while it is attached, and for up to five minutes after:
https://docs.aws.amazon.com/iot/latest/apireference/API_DeletePolicy.html
"""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

import boto3
from botocore.config import Config

_iot = boto3.client("iot", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))
_PASSING = (
    _iot.exceptions.InternalFailureException,
    _iot.exceptions.ServiceUnavailableException,
    _iot.exceptions.ThrottlingException,
)
_DETACH_INTERVAL_SECONDS = 1 / float(os.environ["DETACH_PER_SECOND"])
_SPARE_MILLISECONDS = 60_000


class RenamedError(Exception):
    """The policy's name changed, which would cut every connected user off until the next sign-in."""


def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Give a new policy an epoch, and keep it when the stack is updated.

    Raises:
        RenamedError: the update names another policy; CloudFormation rolls it back.
    """
    policy_name = event["ResourceProperties"]["PolicyName"]
    if event["RequestType"] == "Create":
        epoch = secrets.token_hex(6)
        return {"PhysicalResourceId": f"{policy_name}/{epoch}", "Data": {"Epoch": epoch}}
    physical_id = event["PhysicalResourceId"]
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": physical_id}
    name, _, epoch = physical_id.rpartition("/")
    if name != policy_name:
        raise RenamedError(
            f"policyName cannot change from {name} to {policy_name} while identities are attached: put it back, or "
            "deploy another environment with the new name"
        )
    return {"PhysicalResourceId": physical_id, "Data": {"Epoch": epoch}}


def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """On delete, detach and then delete the policy; called again until no conflict is left."""
    if event["RequestType"] != "Delete":
        return {"IsComplete": True}
    policy_name = event["ResourceProperties"]["PolicyName"]
    try:
        return {"IsComplete": _detach_all(policy_name, context) and _delete(policy_name)}
    except _iot.exceptions.ResourceNotFoundException:
        return {"IsComplete": True}
    except _PASSING:
        return {"IsComplete": False}


def _detach_all(policy_name: str, context: Any) -> bool:
    """Detach page by page, at the set rate; False when the invocation's time runs out first."""
    next_at = time.monotonic()
    while targets := _iot.list_targets_for_policy(policyName=policy_name, pageSize=250)["targets"]:
        for target in targets:
            if context.get_remaining_time_in_millis() < _SPARE_MILLISECONDS:
                return False
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = max(next_at + _DETACH_INTERVAL_SECONDS, time.monotonic())
            _iot.detach_policy(policyName=policy_name, target=target)
    return True


def _delete(policy_name: str) -> bool:
    """Delete the policy; False while AWS still counts a recent attachment."""
    for version in _iot.list_policy_versions(policyName=policy_name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            _iot.delete_policy_version(policyName=policy_name, policyVersionId=version["versionId"])
    try:
        _iot.delete_policy(policyName=policy_name)
    except _iot.exceptions.DeleteConflictException:
        return False
    return True
