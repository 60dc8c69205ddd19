"""One step of a bulk detachment: detaches an IoT policy from all its targets, before its deletion or after a rename.

The state machine repeats the step, for any number of identities. bulk/detach_state.py has the rules.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from iam_propagation import waits_for_permissions

from attachment.clients import has_policy, iot_client, limits
from attachment.errors import error_label
from attachment.parameters import PauseFlag
from attachment.retries import RateLimiter, is_retryable
from bulk.detach_state import ABSENT, ATTACHED, CURRENT, DETACHED, DetachBlockedError, DetachState
from bulk.pages import MAX_TARGETS, IdentityPages, InvalidPageTokenError, PolicyTargets
from bulk.step import THREADS, BatchStep, process_with_retries, rate_limited, worker_threads

_REPLACEMENT = os.environ["POLICY_NAME"]
_ATTACH_PER_SECOND = float(os.environ["ATTACH_PER_SECOND"])
_DETACH_PER_SECOND = float(os.environ["DETACH_PER_SECOND"])
_PROPAGATION_SECONDS = float(os.environ["PROPAGATION_SECONDS"])
_STACK = os.environ["STACK_NAME"]

# A step processes whole pages, so a page must not take long.
_PAGE_SECONDS = 5

_ssm = boto3.client("ssm", config=limits(attempts=5))
_identity_pools = boto3.client("cognito-identity", config=limits(attempts=5))
_iot = iot_client(attempts=1, threads=THREADS)
_pause_flag = PauseFlag(os.environ["PAUSE_PARAMETER"])
_attach_limiter = RateLimiter(_ATTACH_PER_SECOND)
_list_limiter = RateLimiter(float(os.environ["LIST_PER_SECOND"]))


@waits_for_permissions(_iot, _ssm, _identity_pools)
def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Make one step of a bulk detachment, and return its state.

    The input of an execution is ``{"policy": the policy to detach, "replace": whether to attach the stack's policy
    first, "identityPool": detach only identities of this pool, "pause": whether to pause attachment first, "perSecond":
    DetachPolicy calls per second}``. All except ``policy`` are optional.

    Raises:
        botocore.exceptions.ClientError: AWS throttled or failed; the state machine retries the step.
    """
    step = BatchStep.begin(event, context)
    progress = DetachState.from_checkpoint(step.checkpoint) if step.checkpoint else _begin(step.input)
    try:
        state = _run(step, progress, _Detachment(step.input))
    except DetachBlockedError as error:
        state = step.failed(str(error), progress.to_checkpoint())
    except ClientError as error:
        if is_retryable(error):
            raise
        state = step.failed(error_label(error), progress.to_checkpoint())
    line = {
        "Stack": _STACK,
        "Source": "detach-all",
        "requestId": context.aws_request_id,
        "found": progress.found,
        "attached": progress.attached,
        "detached": progress.detached,
        "next": state["next"],
        "reason": state.get("cause"),
    }
    print(json.dumps(line), flush=True)
    return state


def _begin(options: Mapping[str, Any]) -> DetachState:
    paused_at = None
    if options.get("pause"):
        _pause_flag.pause(_ssm)
        paused_at = time.time()
    return DetachState(attaching=bool(options.get("replace")), paused_at=paused_at)


def _run(step: BatchStep, progress: DetachState, detachment: _Detachment) -> dict[str, Any]:
    """Process pages until the step must end; return its state."""
    with worker_threads() as threads:
        while not step.is_over:
            wait = progress.next_round_at - time.time()
            if wait > 0:
                return step.wait(math.ceil(wait), progress.to_checkpoint())
            try:
                page = detachment.read_targets(progress.token)
            except InvalidPageTokenError:
                progress.restart_round()
                continue
            process = detachment.attach_replacement if progress.attaching else detachment.detach
            progress.record(Counter(threads.map(process, page.items)), page.next_token)
            is_last = page.next_token is None
            if is_last and not progress.end_round(now=time.time(), propagation_seconds=_PROPAGATION_SECONDS):
                return step.done(progress.to_checkpoint())
    return step.continue_(progress.to_checkpoint())


class _Detachment:
    """The work on each target of the policy.

    Args:
        options: the input of the execution.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._policy_name: str = options["policy"]
        self._replace = bool(options.get("replace"))
        if self._replace and self._policy_name == _REPLACEMENT:
            raise DetachBlockedError(f"{_REPLACEMENT} is the stack's policy and cannot replace itself")
        per_second = float(options.get("perSecond", _DETACH_PER_SECOND))
        self._detach_limiter = RateLimiter(per_second)
        self._identity_pool_id: str | None = options.get("identityPool")
        if self._identity_pool_id:
            self.read_targets = IdentityPages(_identity_pools, self._identity_pool_id).read_user_ids
        else:
            slowest = min(per_second, _ATTACH_PER_SECOND) if self._replace else per_second
            page_size = min(MAX_TARGETS, math.ceil(slowest * _PAGE_SECONDS))
            self.read_targets = PolicyTargets(_iot, self._policy_name, page_size).read

    def attach_replacement(self, target: str) -> str:
        """Attach the replacement if it is missing; return the outcome, or AWS IoT's error code."""
        return process_with_retries(lambda: CURRENT if _has(_REPLACEMENT, target) else _attach_replacement(target))

    def detach(self, target: str) -> str:
        """Detach the policy, or attach a missing replacement; return the outcome, or AWS IoT's error code."""
        return process_with_retries(lambda: self._detach(target))

    def _detach(self, target: str) -> str:
        if self._replace and not _has(_REPLACEMENT, target):
            return _attach_replacement(target)
        if self._identity_pool_id and not _has(self._policy_name, target):
            return ABSENT
        with rate_limited(self._detach_limiter):
            _iot.detach_policy(policyName=self._policy_name, target=target)
        return DETACHED


def _has(policy_name: str, target: str) -> bool:
    with rate_limited(_list_limiter):
        return has_policy(_iot, policy_name, target)


def _attach_replacement(target: str) -> str:
    with rate_limited(_attach_limiter):
        _iot.attach_policy(policyName=_REPLACEMENT, target=target)
    return ATTACHED
