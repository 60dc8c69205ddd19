"""Stops the deletion of the stack before anything is gone, if the policy cannot leave everybody in the time there is.

The custom resource rests on every other resource of the stack, so CloudFormation deletes it first and alone, and keeps
all the others if that fails.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from iam_propagation import waits_for_permissions

from bulk.pages import PolicyTargets

if TYPE_CHECKING:
    from collections.abc import Mapping

_iot = boto3.client("iot", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

_POLICY_NAME = os.environ["POLICY_NAME"]
_STACK = os.environ["STACK_NAME"]
_DETACH_PER_SECOND = int(os.environ["DETACH_PER_SECOND"])
_MAX_ATTACHED = int(os.environ["MAX_ATTACHED"])
_COUNT_SECONDS = 600.0


class TooManyAttachedError(Exception):
    """The policy is attached to more identities than can be detached while CloudFormation waits."""


@waits_for_permissions(_iot)
def on_event(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Look before the stack is deleted; nothing else needs to be done.

    Raises:
        TooManyAttachedError: the deletion must not begin.
    """
    if event["RequestType"] == "Delete":
        _check()
    return {"PhysicalResourceId": f"{_STACK}/destroy-guard"}


def _check() -> None:
    count = PolicyTargets(_iot, _POLICY_NAME).count(_COUNT_SECONDS)
    if count.is_complete and count.targets <= _MAX_ATTACHED:
        return
    hours = count.targets / _DETACH_PER_SECOND / 3600
    raise TooManyAttachedError(
        f"Nothing of stack {_STACK} was deleted. Its IoT policy {_POLICY_NAME} is attached to {count} identities; "
        f"to detach {_DETACH_PER_SECOND} a second takes {hours:.1f} hours, and CloudFormation waits for one. Have them "
        f"detached first, for as long as it takes: pubsub detach --all --stack {_STACK} --region "
        f"{os.environ['AWS_REGION']}. Then delete the stack again."
    )
