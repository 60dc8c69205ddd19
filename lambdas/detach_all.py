"""Takes an IoT policy off everything it is attached to: before it goes, or because another one has taken its place.

A looping state machine makes the steps, for any number of identities. bulk/leaving.py has the rules.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from iam_propagation import waits_for_permissions

from attachment.iot import has_policy, iot_client
from attachment.limits import limits
from attachment.pace import Pace
from attachment.passing import passes
from attachment.report import cause
from attachment.switch import AttachingSwitch
from bulk.calls import THREADS, paced, settle, worker_threads
from bulk.identities import RejectedTokenError
from bulk.leaving import ABSENT, ATTACHED, CURRENT, DETACHED, CannotLeaveError, Leaving
from bulk.step import Step
from bulk.targets import LARGEST_PAGE, IdentitiesAsTargets, Targets

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUCCESSOR = os.environ["POLICY_NAME"]
_ATTACH_PER_SECOND = float(os.environ["ATTACH_PER_SECOND"])
_LOOK_PER_SECOND = float(os.environ["LIST_PER_SECOND"])
_DETACH_PER_SECOND = float(os.environ["DETACH_PER_SECOND"])
_PROPAGATION_SECONDS = float(os.environ["PROPAGATION_SECONDS"])
_STACK = os.environ["STACK_NAME"]

# A page is worked off whole, so it must not hold up a step.
_PAGE_SECONDS = 5

_ssm = boto3.client("ssm", config=limits(attempts=5))
_identity_pools = boto3.client("cognito-identity", config=limits(attempts=5))
_iot = iot_client(attempts=1, threads=THREADS)
_switch = AttachingSwitch(os.environ["PAUSE_PARAMETER"])
_attach_pace = Pace.at(_ATTACH_PER_SECOND)
_look_pace = Pace.at(_LOOK_PER_SECOND)


@waits_for_permissions(_iot, _ssm, _identity_pools)
def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Make a step, and return how far the policy has left.

    The state machine is started with ``{"policy": the policy that leaves, "replace": the stack's policy takes its
    place, "identityPool": it leaves only the identities of this pool, "pause": let nothing attach meanwhile and from
    then on, "perSecond": how many to detach a second}``; all but the first may be left out.

    Raises:
        botocore.exceptions.BotoCoreError: no answer from AWS.
        botocore.exceptions.ClientError: AWS throttles or fails; the state machine makes the step again later.
    """
    step = Step.begin(event, context)
    leaving = Leaving.of_progress(step.progress) if step.progress else _begin(step.given)
    try:
        state = _go_on(step, leaving, _Work(step.given))
    except CannotLeaveError as error:
        state = step.failed(str(error), leaving.as_progress())
    except ClientError as error:
        if passes(error):
            raise
        state = step.failed(cause(error), leaving.as_progress())
    counts = {"found": leaving.found, "attached": leaving.attached, "detached": leaving.detached}
    line = {
        "Stack": _STACK,
        "Source": "detach-all",
        "requestId": context.aws_request_id,
        **counts,
        "next": state["next"],
    }
    print(json.dumps(line | {"reason": state.get("cause")}), flush=True)
    return state


def _begin(given: Mapping[str, Any]) -> Leaving:
    turned_off_at = None
    if given.get("pause"):
        _switch.turn_off(_ssm)
        turned_off_at = time.time()
    return Leaving(attaching=bool(given.get("replace")), turned_off_at=turned_off_at)


def _go_on(step: Step, leaving: Leaving, work: _Work) -> dict[str, Any]:
    """Work through the pages until the step is over; return its state."""
    with worker_threads() as threads:
        while not step.is_over:
            rest = leaving.rests_until - time.time()
            if rest > 0:
                return step.wait(math.ceil(rest), leaving.as_progress())
            try:
                page = work.targets.read(leaving.token)
            except RejectedTokenError:
                leaving.begin_round_again()
                continue
            settle_one = work.attach_successor if leaving.attaching else work.detach
            leaving.take_note(Counter(threads.map(settle_one, page.targets)), page.next_token)
            is_last = page.next_token is None
            if is_last and not leaving.end_round(now=time.time(), propagation_seconds=_PROPAGATION_SECONDS):
                return step.done(leaving.as_progress())
    return step.again(leaving.as_progress())


class _Work:
    """What is done with each target of the policy that leaves."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._policy_name: str = given["policy"]
        self._is_succeeded = bool(given.get("replace"))
        if self._is_succeeded and self._policy_name == _SUCCESSOR:
            raise CannotLeaveError(f"{_SUCCESSOR} is the stack's policy and cannot take its own place")
        per_second = float(given.get("perSecond", _DETACH_PER_SECOND))
        self._pace = Pace.at(per_second)
        slowest = min(per_second, _ATTACH_PER_SECOND) if self._is_succeeded else per_second
        page_size = min(LARGEST_PAGE, math.ceil(slowest * _PAGE_SECONDS))
        self._identity_pool_id: str | None = given.get("identityPool")
        self.targets = (
            IdentitiesAsTargets(_identity_pools, self._identity_pool_id)
            if self._identity_pool_id
            else Targets(_iot, self._policy_name, page_size)
        )

    def attach_successor(self, target: str) -> str:
        """Attach the successor to a target that has not got it; return the outcome, or AWS IoT's error code."""
        return settle(lambda: CURRENT if _has(_SUCCESSOR, target) else _attach_successor(target))

    def detach(self, target: str) -> str:
        """Detach the policy, from a target that has the successor if there is one; return as above."""
        return settle(lambda: self._detach(target))

    def _detach(self, target: str) -> str:
        if self._is_succeeded and not _has(_SUCCESSOR, target):
            return _attach_successor(target)
        if self._identity_pool_id and not _has(self._policy_name, target):
            return ABSENT
        with paced(self._pace):
            _iot.detach_policy(policyName=self._policy_name, target=target)
        return DETACHED


def _has(policy_name: str, target: str) -> bool:
    with paced(_look_pace):
        return has_policy(_iot, policy_name, target)


def _attach_successor(target: str) -> str:
    with paced(_attach_pace):
        _iot.attach_policy(policyName=_SUCCESSOR, target=target)
    return ATTACHED
